/* Walks the cases of a file in spec/fixtures (see its README): what PyTorch answered.
     fixture f;
     MUST(fixture_open(&f, "batch_norm"));
     while (fixture_next(&f)) { x = fixture_tensor(&f, "x"); ... fixture_equals(&f, "y", y, 1e-5) ... }
     fixture_close(&f); */
#ifndef SPEC_FIXTURE_H
#define SPEC_FIXTURE_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "mtl/io.h"

typedef struct {
    mtl_context *ctx;
    mtl_safetensors *file;
    cJSON *cases;
    const cJSON *current; /* settings of the case */
} fixture;

static inline void fixture_close(fixture *f)
{
    cJSON_Delete(f->cases);
    mtl_safetensors_free(f->file);
    mtl_context_free(f->ctx);
}

static inline bool fixture_open(fixture *f, const char *name)
{
    char path[1024];
    *f = (fixture){0};
    snprintf(path, sizeof path, "%s/%s.safetensors", MTL_FIXTURES, name);
    if (mtl_context_new(2, &f->ctx) != MTL_OK)
        return false;
    if (mtl_safetensors_read(f->ctx, path, &f->file) == MTL_OK) {
        const char *text = mtl_safetensors_meta(f->file, "cases");
        f->cases = text ? cJSON_Parse(text) : NULL;
        if (cJSON_GetArraySize(f->cases) > 0)
            return true;
    }
    printf("  %s: %s\n", path, mtl_message(f->ctx));
    fixture_close(f);
    return false;
}

static inline bool fixture_next(fixture *f)
{
    f->current = f->current ? f->current->next : f->cases->child;
    return f->current;
}

static inline const char *fixture_text(const fixture *f, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(f->current, key));
    return text ? text : "";
}

/* A number, or 1 or 0 of true and false; NAN where there is none. */
static inline double fixture_number(const fixture *f, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(f->current, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : cJSON_GetNumberValue(item);
}

/* Number i of a list. */
static inline double fixture_item(const fixture *f, const char *key, int i)
{
    return cJSON_GetNumberValue(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(f->current, key), i));
}

/* Owned by the caller; NULL, and a line that says so, where there is none. */
static inline mtl_tensor *fixture_tensor(const fixture *f, const char *name)
{
    char full[256];
    mtl_tensor *t = NULL;
    snprintf(full, sizeof full, "%s.%s", fixture_text(f, "name"), name);
    if (mtl_safetensors_tensor(f->file, full, &t) != MTL_OK)
        printf("  %s\n", mtl_message(f->ctx));
    return t;
}

/* Whether `got` holds as many floats as the fixture's tensor, each within tolerance (1 + |it|); prints the first that
   does not. */
static inline bool fixture_equals(const fixture *f, const char *name, const mtl_tensor *got, double tolerance)
{
    mtl_tensor *want = fixture_tensor(f, name);
    bool good = want && got && mtl_tensor_count(want) == mtl_tensor_count(got);
    if (want && !good)
        printf("  %s.%s: %s\n", fixture_text(f, "name"), name, got ? "its size differs" : "it is missing");
    for (int64_t i = 0; good && i < mtl_tensor_count(want); i++) {
        double a = ((float *)mtl_tensor_data(got))[i], b = ((float *)mtl_tensor_data(want))[i];
        if (fabs(a - b) <= tolerance * (1 + fabs(b)))
            continue;
        printf("  %s.%s: element %lld is %.9g, which should be %.9g\n", fixture_text(f, "name"), name, (long long)i, a,
               b);
        good = false;
    }
    mtl_tensor_release(want);
    return good;
}

#endif
