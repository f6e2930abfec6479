/* What the values of a tensor are, remembered until it is written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/backend.h"

struct mtl_known {
    mtl_survey survey;
    uint64_t version; /* of the storage */
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

static mtl_status remember(mtl_tensor *t, const mtl_survey *s)
{
    if (!t->known)
        t->known = malloc(sizeof *t->known);
    if (!t->known)
        return mtl_fail(t->ctx, MTL_ERR_MEMORY, "no host memory left");
    *t->known = (mtl_known){*s, t->storage->version};
    return MTL_OK;
}

mtl_status mtl_survey_move(mtl_tensor *to, const mtl_tensor *from)
{
    const mtl_survey *known = mtl_known_survey(from);
    return known ? remember(to, known) : MTL_OK;
}

mtl_status mtl_tensor_survey(mtl_tensor *t, mtl_survey *out)
{
    if (!mtl_known_survey(t)) {
        mtl_tensor *host = NULL;
        MTL_TRY(mtl_tensor_to(t, 0, &host));
        mtl_survey s = of(t->dtype, mtl_tensor_data(host), t->count);
        mtl_tensor_release(host);
        MTL_TRY(remember(t, &s));
    }
    *out = t->known->survey;
    return MTL_OK;
}
