/* Dropout: the mask is the promised function of (seed, stream, first), and the gradient goes through the same one. */
#include <stdlib.h>

#include "mtl/mtl.h"
#include "test.h"

static const float *at(const mtl_tensor *t)
{
    return mtl_tensor_data(t);
}

static void the_mask_is_a_function_of_its_key(void)
{
    const double chances[] = {0, 0.1, 0.5, 0.999, 1};
    const int64_t sizes[] = {0, 1, 3, 64, 65, 1000, 40003};
    const uint64_t first = UINT64_C(0xfffffffe); /* the counter crosses 32 bits */
    mtl_context *ctx;
    MUST(mtl_context_new(2, &ctx) == MTL_OK);
    for (int c = 0; c < 5; c++) {
        for (int s = 0; s < 7; s++) {
            mtl_tensor *x = NULL, *y = NULL;
            double p = chances[c];
            int64_t wrong = 0;
            MUST(mtl_tensor_new(ctx, MTL_F32, 1, &sizes[s], &x) == MTL_OK && mtl_tensor_fill(x, 3) == MTL_OK);
            MUST(mtl_dropout(x, p, UINT64_C(0x123456789abcdef), 77, first, &y) == MTL_OK);
            for (int64_t i = 0; i < sizes[s]; i++) {
                uint32_t words[4];
                mtl_philox(UINT64_C(0x123456789abcdef), 77, first + (uint64_t)i / 4, words);
                float want = words[i % 4] >= p * 4294967296.0 ? 3 * (float)(1 / (1 - p)) : 0;
                wrong += at(y)[i] != want;
            }
            CHECK(wrong == 0);
            mtl_tensor_release(x);
            mtl_tensor_release(y);
        }
    }
    CHECK(mtl_memory_use(ctx).bytes == 0);
    mtl_context_free(ctx);
}

static void it_keeps_the_share_and_the_mean(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *y = NULL;
    int64_t n = 100000, kept = 0;
    MUST(mtl_context_new(2, &ctx) == MTL_OK && mtl_tensor_new(ctx, MTL_F32, 1, &n, &x) == MTL_OK);
    MUST(mtl_tensor_fill(x, 1) == MTL_OK && mtl_dropout(x, 0.3, 1, 2, 0, &y) == MTL_OK);
    for (int64_t i = 0; i < n; i++)
        kept += at(y)[i] != 0;
    CHECK_NEAR((double)kept / (double)n, 0.7, 0.006); /* four standard deviations */
    mtl_tensor_release(x);
    mtl_tensor_release(y);
    mtl_context_free(ctx);
}

static void the_gradient_goes_through_the_same_mask(void)
{
    for (int rows = 1; rows <= 3; rows += 2) {
        mtl_context *ctx;
        mtl_tensor *x = NULL, *y = NULL, *seed[3] = {NULL};
        mtl_root roots[3];
        const int64_t shape[] = {7, 11};
        MUST(mtl_context_new(2, &ctx) == MTL_OK && mtl_tensor_new(ctx, MTL_F32, 2, shape, &x) == MTL_OK);
        MUST(mtl_tensor_fill(x, 1) == MTL_OK && mtl_tensor_require_grad(x, true) == MTL_OK);
        MUST(mtl_dropout(x, 0.5, 1, 2, 3, &y) == MTL_OK);
        for (int r = 0; r < rows; r++) {
            MUST(mtl_tensor_new(ctx, MTL_F32, 2, shape, &seed[r]) == MTL_OK);
            MUST(mtl_random_uniform(seed[r], 9, (uint64_t)r, 0, -1, 1) == MTL_OK);
            roots[r] = (mtl_root){.value = y, .seed = seed[r], .scale = 1, .row = r};
        }
        MUST(mtl_backward(ctx, rows, roots, rows) == MTL_OK);
        for (int i = 0; i < rows * 77; i++)
            CHECK(at(mtl_tensor_grad(x))[i] == at(seed[i / 77])[i % 77] * at(y)[i % 77]);
        for (int r = 0; r < rows; r++)
            mtl_tensor_release(seed[r]);
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        CHECK(mtl_memory_use(ctx).bytes == 0);
        mtl_context_free(ctx);
    }
}

static void bad_arguments_are_refused(void)
{
    mtl_context *ctx;
    mtl_tensor *x = NULL, *y = NULL;
    const int64_t n = 3;
    MUST(mtl_context_new(1, &ctx) == MTL_OK && mtl_tensor_new(ctx, MTL_I32, 1, &n, &x) == MTL_OK);
    CHECK(mtl_dropout(x, 0.5, 1, 2, 3, &y) == MTL_ERR_DTYPE && y == NULL);
    mtl_tensor_release(x);
    MUST(mtl_tensor_new(ctx, MTL_F32, 1, &n, &x) == MTL_OK);
    CHECK(mtl_dropout(x, 1.5, 1, 2, 3, &y) == MTL_ERR_ARG && mtl_dropout(x, NAN, 1, 2, 3, &y) == MTL_ERR_ARG);
    CHECK_CONTAINS(mtl_message(ctx), "dropout: p is");
    mtl_tensor_release(x);
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(the_mask_is_a_function_of_its_key);
    RUN(it_keeps_the_share_and_the_mean);
    RUN(the_gradient_goes_through_the_same_mask);
    RUN(bad_arguments_are_refused);
    return TEST_RESULT;
}
