/* Philox against the known answers of its authors' Random123 distribution, and the distributions drawn from it. */
#include "mtl/mtl.h"
#include "test.h"

static void known_answers(void)
{
    uint32_t w[4];
    mtl_philox(0, 0, 0, w);
    CHECK(w[0] == 0x6627e8d5 && w[1] == 0xe169c58d && w[2] == 0xbc57ac4c && w[3] == 0x9b00dbd8);
    mtl_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, w);
    CHECK(w[0] == 0x408f276d && w[1] == 0x41c83b0e && w[2] == 0xa20bc7c6 && w[3] == 0x6d5451fd);
    mtl_philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, w);
    CHECK(w[0] == 0xd16cfe09 && w[1] == 0x94fdcceb && w[2] == 0x5001e420 && w[3] == 0x24126ea1);
    CHECK(mtl_stream("") == 0xcbf29ce484222325 && mtl_stream("a") == 0xaf63dc4c8601ec8c);
}

static void distributions(void)
{
    mtl_context *ctx = NULL;
    mtl_tensor *t = NULL;
    int64_t n = 100003;
    double mean = 0, square = 0, low = 9, high = -9;
    mtl_context_new(1, &ctx);
    mtl_tensor_new(ctx, MTL_F32, 1, &n, &t);
    mtl_random_uniform(t, 1, 2, 0, -1, 3);
    const float *x = mtl_tensor_data(t);
    for (int64_t i = 0; i < n; i++) {
        mean += x[i] / (double)n;
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    CHECK_NEAR(mean, 1, 0.02);
    CHECK(low >= -1 && low < -0.999 && high < 3 && high > 2.999);
    mtl_random_normal(t, 1, 2, 0, 5, 2);
    mean = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    CHECK_NEAR(mean, 5, 0.03);
    CHECK_NEAR(sqrt(square), 2, 0.03);
    mtl_tensor_release(t);
    mtl_context_free(ctx);
}

static void permutations(void)
{
    int32_t order[1000], again[1000];
    bool seen[1000] = {false};
    int moved = 0;
    mtl_random_permutation(1000, 7, 8, 9, order);
    mtl_random_permutation(1000, 7, 8, 9, again);
    CHECK(memcmp(order, again, sizeof order) == 0);
    for (int i = 0; i < 1000; i++) {
        seen[order[i]] = true;
        moved += order[i] != i;
    }
    for (int i = 0; i < 1000; i++)
        CHECK(seen[i]);
    CHECK(moved > 980);
    mtl_random_permutation(1000, 7, 8, 10, again);
    CHECK(memcmp(order, again, sizeof order) != 0);
}

int main(void)
{
    RUN(known_answers);
    RUN(distributions);
    RUN(permutations);
    return TEST_RESULT;
}
