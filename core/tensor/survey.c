/* What the values of a tensor are, remembered until it is written; and of one that was moved to a device, where they
   lie on the CPU. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"

struct mtl_known {
    mtl_survey survey;
    uint64_t version; /* of the storage */
    mtl_tensor *host; /* counted; of as many elements; NULL: there is none */
    uint64_t host_version;
};

static mtl_survey of_floats(const float *x, int64_t n)
{
    mtl_survey s = {0};
    float least = INFINITY, greatest = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        s.missing += x[i] != x[i];
        s.zeros += x[i] == 0;
        least = x[i] < least ? x[i] : least;
        greatest = x[i] > greatest ? x[i] : greatest;
    }
    s.least = least;
    s.greatest = greatest;
    return s;
}

static mtl_survey of_integers(const int32_t *x, int64_t n)
{
    mtl_survey s = {.least = INFINITY, .greatest = -INFINITY};
    int32_t least = INT32_MAX, greatest = INT32_MIN;
    for (int64_t i = 0; i < n; i++) {
        s.missing += x[i] < 0;
        s.zeros += x[i] == 0;
        least = x[i] < least ? x[i] : least;
        greatest = x[i] > greatest ? x[i] : greatest;
    }
    if (n > 0) {
        s.least = least;
        s.greatest = greatest;
    }
    return s;
}

static mtl_survey of_bytes(const uint8_t *x, int64_t n)
{
    mtl_survey s = {.least = INFINITY, .greatest = -INFINITY};
    for (int64_t i = 0; i < n; i++) {
        s.zeros += x[i] == 0;
        s.least = x[i] < s.least ? x[i] : s.least;
        s.greatest = x[i] > s.greatest ? x[i] : s.greatest;
    }
    return s;
}

static mtl_survey of(mtl_dtype dtype, const void *x, int64_t n)
{
    return dtype == MTL_F32 ? of_floats(x, n) : dtype == MTL_I32 ? of_integers(x, n) : of_bytes(x, n);
}

const mtl_survey *mtl_known_survey(const mtl_tensor *t)
{
    return t->known && t->known->version == t->storage->version ? &t->known->survey : NULL;
}

void mtl_known_free(mtl_known *known)
{
    if (known)
        mtl_tensor_release(known->host);
    free(known);
}

static mtl_status remember(mtl_tensor *t, const mtl_survey *s, mtl_tensor *host)
{
    mtl_known *known = malloc(sizeof *known);
    if (!known)
        return mtl_fail(t->ctx, MTL_ERR_MEMORY, "no host memory left");
    *known =
        (mtl_known){*s, t->storage->version, host ? mtl_tensor_retain(host) : NULL, host ? host->storage->version : 0};
    mtl_known_free(t->known);
    t->known = known;
    return MTL_OK;
}

static mtl_tensor *known_host(const mtl_tensor *t)
{
    mtl_tensor *host = mtl_known_survey(t) ? t->known->host : NULL;
    return host && host->storage->version == t->known->host_version ? host : NULL;
}

mtl_status mtl_survey_move(mtl_tensor *to, const mtl_tensor *from)
{
    const mtl_survey *known = mtl_known_survey(from);
    mtl_tensor *host = NULL;
    if (!known)
        return MTL_OK;
    if (mtl_tensor_device(to) == 0)
        return remember(to, known, NULL);
    if (mtl_tensor_device(from) != 0)
        return remember(to, known, known_host(from));
    MTL_TRY(mtl_tensor_alias(from, from->rank, from->shape, 0, &host)); /* without what `from` was made of */
    mtl_status status = remember(to, known, host);
    mtl_tensor_release(host);
    return status;
}

mtl_status mtl_tensor_survey(mtl_tensor *t, mtl_survey *out)
{
    if (!mtl_known_survey(t)) {
        mtl_tensor *host = NULL;
        MTL_TRY(mtl_tensor_to(t, 0, &host));
        mtl_survey s = of(t->dtype, mtl_tensor_data(host), t->count);
        mtl_status status = remember(t, &s, host == t ? NULL : host);
        mtl_tensor_release(host);
        MTL_TRY(status);
    }
    *out = t->known->survey;
    return MTL_OK;
}

mtl_status mtl_tensor_host(mtl_tensor *t, mtl_tensor **out)
{
    mtl_tensor *host = known_host(t);
    return host ? mtl_tensor_alias(host, t->rank, t->shape, 0, out) : mtl_tensor_to(t, 0, out);
}

bool mtl_host_is_known(const mtl_tensor *t)
{
    return mtl_tensor_device(t) == 0 || known_host(t);
}
