/* Transforms: numbers worked by hand, resize as PyTorch has it, and what dense targets need to stay true. */
#include <stdlib.h>

#include "fixture.h"
#include "io/transform.h"
#include "mtl/mtl.h"
#include "test.h"

static const mtl_draw training = {.training = true, .seed = 3, .epoch = 1}, still = {.training = false};

static void set(mtl_picture *p, mtl_role role, int64_t channels, int64_t height, int64_t width, const void *values)
{
    int64_t n = channels * height * width;
    p->role = role;
    p->channels = channels;
    p->height = height;
    p->width = width;
    p->low = 0.0f;
    p->high = 1.0f;
    CHECK(mtl_room_make(&p->data, n, 4));
    memcpy(p->data.data, values, 4 * (size_t)n);
}

static void drop(mtl_picture *p)
{
    free(p->data.data);
    free(p->spare.data);
    free(p->places.data);
    *p = (mtl_picture){.role = MTL_ROLE_PLAIN};
}

static bool are_floats(const mtl_picture *p, int n, const float *want, double tolerance)
{
    bool good = CHECK(p->channels * p->height * p->width == n);
    for (int i = 0; good && i < n; i++)
        good = CHECK_NEAR(((float *)p->data.data)[i], want[i], tolerance);
    return good;
}

static bool are_ints(const mtl_picture *p, int n, const int32_t *want)
{
    return CHECK(p->channels * p->height * p->width == n) && CHECK(memcmp(p->data.data, want, 4 * (size_t)n) == 0);
}

#define FLOATS(p, tolerance, ...) are_floats(p, sizeof((float[]){__VA_ARGS__}) / 4, (float[]){__VA_ARGS__}, tolerance)
#define INTS(p, ...)              are_ints(p, sizeof((int32_t[]){__VA_ARGS__}) / 4, (int32_t[]){__VA_ARGS__})

static void it_flips(void)
{
    mtl_transform sides = {.kind = MTL_RANDOM_FLIP, .p = 1}, ends = {.kind = MTL_RANDOM_FLIP, .p = 1, .vertical = true};
    mtl_transform never = {.kind = MTL_RANDOM_FLIP, .p = 0}, sometimes = {.kind = MTL_RANDOM_FLIP, .p = 0.3};
    const float image[] = {1, 2, 3, 4, 5, 6}, normals[] = {0.6f, NAN, 0, NAN, 0.8f, NAN};
    const int32_t labels[] = {1, -1, 3, 4, 5, 6};
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    set(&p, MTL_ROLE_IMAGE, 1, 2, 3, image);
    CHECK(mtl_transform_apply(&sides, 0, &training, &p) && FLOATS(&p, 0, 3, 2, 1, 6, 5, 4));
    CHECK(mtl_transform_apply(&ends, 0, &training, &p) && FLOATS(&p, 0, 6, 5, 4, 3, 2, 1));
    CHECK(mtl_transform_apply(&never, 0, &training, &p) && FLOATS(&p, 0, 6, 5, 4, 3, 2, 1));
    CHECK(mtl_transform_apply(&sides, 0, &still, &p) && FLOATS(&p, 0, 6, 5, 4, 3, 2, 1));
    set(&p, MTL_ROLE_LABELS, 1, 2, 3, labels);
    CHECK(mtl_transform_apply(&sides, 0, &training, &p) && INTS(&p, 3, -1, 1, 6, 5, 4));

    /* normals turn with the image: x of a mirror image points the other way, y of one upside down */
    set(&p, MTL_ROLE_NORMALS, 3, 1, 2, normals);
    CHECK(mtl_transform_apply(&sides, 0, &training, &p) && FLOATS(&p, 0, NAN, -0.6f, NAN, 0, NAN, 0.8f));
    set(&p, MTL_ROLE_NORMALS, 3, 2, 1, normals);
    CHECK(mtl_transform_apply(&ends, 0, &training, &p) && FLOATS(&p, 0, NAN, 0.6f, NAN, -0.0f, NAN, 0.8f));

    int flipped = 0;
    for (int i = 0; i < 10000; i++) {
        mtl_draw draw = {.training = true, .seed = 3, .place = i};
        set(&p, MTL_ROLE_IMAGE, 1, 2, 3, image);
        flipped += mtl_transform_apply(&sometimes, 0, &draw, &p) && ((float *)p.data.data)[0] == 3;
    }
    CHECK_NEAR(flipped / 10000.0, 0.3, 0.02);
    drop(&p);
}

static void it_crops(void)
{
    mtl_transform centre = {.kind = MTL_RANDOM_CROP, .height = 2, .width = 2};
    mtl_transform around = {.kind = MTL_RANDOM_CROP, .height = 3, .width = 4, .padding = 1};
    mtl_transform cut = {.kind = MTL_RANDOM_CROP, .height = 2, .width = 3, .padding = 2};
    float image[16], seen[7][6] = {{0}};
    const int32_t labels[] = {7, 8};
    const float depth[] = {1, 2}, normals[] = {0, 1, 1, 0, 0, 0};
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    for (int i = 0; i < 16; i++)
        image[i] = (float)i + 1;
    set(&p, MTL_ROLE_IMAGE, 1, 4, 4, image);
    CHECK(mtl_transform_apply(&centre, 0, &still, &p) && FLOATS(&p, 0, 6, 7, 10, 11));

    /* one row of two, with one place around it */
    set(&p, MTL_ROLE_IMAGE, 1, 1, 2, image);
    CHECK(mtl_transform_apply(&around, 0, &training, &p) && FLOATS(&p, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0));
    set(&p, MTL_ROLE_LABELS, 1, 1, 2, labels);
    CHECK(mtl_transform_apply(&around, 0, &training, &p) && INTS(&p, -1, -1, -1, -1, -1, 7, 8, -1, -1, -1, -1, -1));
    set(&p, MTL_ROLE_DEPTH, 1, 1, 2, depth);
    CHECK(mtl_transform_apply(&around, 0, &training, &p) &&
          FLOATS(&p, 0, NAN, NAN, NAN, NAN, NAN, 1, 2, NAN, NAN, NAN, NAN, NAN));
    set(&p, MTL_ROLE_NORMALS, 3, 1, 2, normals);
    CHECK(mtl_transform_apply(&around, 0, &training, &p));
    for (int i = 0; i < 36; i++) {
        int at = i % 12 - 5;
        CHECK_NEAR(((float *)p.data.data)[i], at == 0 || at == 1 ? normals[i / 12 * 2 + at] : NAN, 0);
    }

    /* every place comes up, as often as every other: 4 x 4 with 2 around, 2 x 3 of it: 7 x 6 places */
    for (int i = 0; i < 42000; i++) {
        mtl_draw draw = {.training = true, .seed = 9, .place = i};
        set(&p, MTL_ROLE_IMAGE, 1, 4, 4, image);
        CHECK(mtl_transform_apply(&cut, 2, &draw, &p));
        const float *got = p.data.data;
        for (int k = 0; k < 6; k++) { /* the first pixel that is not padding tells where this is */
            if (got[k] > 0) {
                int y = ((int)got[k] - 1) / 4 - k / 3 + 2, x = ((int)got[k] - 1) % 4 - k % 3 + 2;
                seen[y][x]++;
                break;
            }
        }
    }
    for (int y = 1; y < 6; y++) {
        for (int x = 0; x < 6; x++)
            CHECK_NEAR(seen[y][x], 1000, 150);
    }
    drop(&p);
}

static void it_resizes(void)
{
    mtl_transform wide = {.kind = MTL_RESIZE, .height = 1, .width = 4},
                  half = {.kind = MTL_RESIZE, .height = 1, .width = 2};
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    set(&p, MTL_ROLE_IMAGE, 1, 1, 2, (float[]){0, 1});
    CHECK(mtl_transform_apply(&wide, 0, &still, &p) && FLOATS(&p, 0, 0, 0.25f, 0.75f, 1));
    set(&p, MTL_ROLE_LABELS, 1, 1, 2, (int32_t[]){5, -1});
    CHECK(mtl_transform_apply(&wide, 0, &still, &p) && INTS(&p, 5, 5, -1, -1));
    set(&p, MTL_ROLE_LABELS, 1, 1, 4, (int32_t[]){1, 2, 3, 4});
    CHECK(mtl_transform_apply(&half, 0, &still, &p) && INTS(&p, 2, 4));
    set(&p, MTL_ROLE_DEPTH, 1, 1, 4, (float[]){1, NAN, 3, 4});
    CHECK(mtl_transform_apply(&half, 0, &still, &p) && FLOATS(&p, 0, NAN, 4));
    /* (3, 4, 0), which no unit vector is, becomes one; 0 and what is missing stay */
    set(&p, MTL_ROLE_NORMALS, 3, 1, 3, (float[]){3, 0, NAN, 4, 0, NAN, 0, 0, NAN});
    CHECK(mtl_transform_apply(&(mtl_transform){.kind = MTL_RESIZE, .height = 1, .width = 3}, 0, &still, &p) &&
          FLOATS(&p, 1e-7, 0.6f, 0, NAN, 0.8f, 0, NAN, 0, 0, NAN));
    drop(&p);
}

static void it_resizes_as_pytorch(void)
{
    fixture f;
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    MUST(fixture_open(&f, "transform"));
    while (fixture_next(&f)) {
        mtl_tensor *x = fixture_tensor(&f, "x"), *y = fixture_tensor(&f, "y"), *got = NULL;
        bool dense = strcmp(fixture_text(&f, "op"), "nearest-exact") == 0;
        MUST(x && y);
        const int64_t *from = mtl_tensor_shape(x), *to = mtl_tensor_shape(y);
        set(&p, dense ? MTL_ROLE_DEPTH : MTL_ROLE_IMAGE, from[0], from[1], from[2], mtl_tensor_data(x));
        mtl_transform t = {.kind = MTL_RESIZE, .height = to[1], .width = to[2]};
        CHECK(mtl_transform_apply(&t, 0, &still, &p));
        MUST(mtl_tensor_new(f.ctx, MTL_F32, 3, (int64_t[]){p.channels, p.height, p.width}, &got) == MTL_OK);
        memcpy(mtl_tensor_data(got), p.data.data, mtl_tensor_bytes(got));
        CHECK(fixture_equals(&f, "y", got, dense ? 0 : 1e-6));
        mtl_tensor_release(x);
        mtl_tensor_release(y);
        mtl_tensor_release(got);
    }
    drop(&p);
    fixture_close(&f);
}

enum { SIDE = 12 };

/* Zooms one scene as labels, depth (the labels' numbers) and image (again). */
static void zoom(double s, const mtl_draw *draw, mtl_picture *labels, mtl_picture *depth, mtl_picture *image)
{
    mtl_transform t = {.kind = MTL_RANDOM_SCALE, .low = s, .high = s};
    int32_t scene[SIDE * SIDE];
    float floats[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++)
        floats[i] = (float)(scene[i] = i);
    set(labels, MTL_ROLE_LABELS, 1, SIDE, SIDE, scene);
    set(depth, MTL_ROLE_DEPTH, 1, SIDE, SIDE, floats);
    set(image, MTL_ROLE_IMAGE, 1, SIDE, SIDE, floats);
    CHECK(mtl_transform_apply(&t, 0, draw, labels) && mtl_transform_apply(&t, 0, draw, depth) &&
          mtl_transform_apply(&t, 0, draw, image));
    CHECK(labels->height == SIDE && labels->width == SIDE);
}

static void it_scales(void)
{
    mtl_picture a = {.role = MTL_ROLE_PLAIN}, b = a, c = a;
    const double scales[] = {1, 2, 1.7, 4, 0.5, 0.75, 0.1};
    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        for (int i = 0; i < 50; i++) {
            double s = scales[k];
            mtl_draw draw = {.training = true, .seed = 4, .place = i};
            zoom(s, &draw, &a, &b, &c);
            const int32_t *label = a.data.data;
            const float *depth = b.data.data, *image = c.data.data;
            int inside = 0;
            for (int j = 0; j < SIDE * SIDE; j++) {
                if (label[j] < 0) {
                    CHECK(label[j] == -1 && isnan(depth[j]) && image[j] == 0);
                    continue;
                }
                inside++;
                CHECK(label[j] < SIDE * SIDE); /* a label of the scene */
                CHECK_NEAR(depth[j], label[j] / s, 1e-4);
                /* the image is linear, so is what lies between its pixels: half a row and half a column at most */
                CHECK_NEAR(image[j], label[j], (SIDE + 1) / 2.0 + 1e-4);
            }
            if (s >= 1) {
                CHECK(inside == SIDE * SIDE);
            } else {
                double side = SIDE * s;
                CHECK(inside >= (int)side * (int)side && inside <= ((int)side + 1) * ((int)side + 1));
            }
            if (s == 1)
                CHECK(label[0] == 0 && label[SIDE * SIDE - 1] == SIDE * SIDE - 1 && image[5] == 5);
        }
    }
    zoom(2, &still, &a, &b, &c);
    CHECK(((float *)b.data.data)[7] == 7);

    /* twice as large from the middle on: worked by hand, for the draw that begins there */
    mtl_transform t = {.kind = MTL_RANDOM_SCALE, .low = 2, .high = 2};
    set(&a, MTL_ROLE_LABELS, 1, 1, 4, (int32_t[]){1, 2, 3, 4});
    for (int i = 0; i < 200; i++) {
        uint32_t w[4];
        mtl_philox(4, mtl_stream("data/augment"), (uint64_t)i, w);
        double start = 2 * (w[2] * 0x1p-32); /* of a window of 2 pixels among 4 */
        mtl_draw draw = {.training = true, .seed = 4, .place = i};
        set(&a, MTL_ROLE_LABELS, 1, 1, 4, (int32_t[]){1, 2, 3, 4});
        CHECK(mtl_transform_apply(&t, 0, &draw, &a));
        for (int x = 0; x < 4; x++)
            CHECK(((int32_t *)a.data.data)[x] == 1 + (int32_t)(start + (x + 0.5) / 2));
    }
    drop(&a);
    drop(&b);
    drop(&c);
}

static double within(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* torchvision's formulas in double precision. */
static void jitter(double *x, int channels, int plane, const double factor[3])
{
    double mean = 0;
    for (int i = 0; i < channels * plane; i++)
        x[i] = within(x[i] * factor[0]);
    for (int i = 0; i < plane; i++)
        mean += (channels == 3 ? 0.2989 * x[i] + 0.587 * x[plane + i] + 0.114 * x[2 * plane + i] : x[i]) / plane;
    for (int i = 0; i < channels * plane; i++)
        x[i] = within(factor[1] * x[i] + (1 - factor[1]) * mean);
    for (int i = 0; channels == 3 && i < plane; i++) {
        double gray = 0.2989 * x[i] + 0.587 * x[plane + i] + 0.114 * x[2 * plane + i];
        for (int c = 0; c < 3; c++)
            x[c * plane + i] = within(factor[2] * x[c * plane + i] + (1 - factor[2]) * gray);
    }
}

static void it_jitters_colours(void)
{
    enum { PLANE = 6 };
    mtl_transform t = {.kind = MTL_COLOR_JITTER, .brightness = 0.8, .contrast = 1.5, .saturation = 0.5};
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    for (int i = 0; i < 300; i++) {
        int channels = i % 3 == 0 ? 1 : i % 3 == 1 ? 3 : 4;
        mtl_draw draw = {.training = true, .seed = 5, .epoch = 2, .place = i};
        uint32_t w[4];
        float image[4 * PLANE];
        double want[4 * PLANE];
        for (int j = 0; j < 4 * PLANE; j++)
            want[j] = image[j] = (float)((j * 37 + i) % 101) / 100;
        mtl_philox(5, mtl_stream("data/augment") + 1, ((uint64_t)2 << 32) + (uint64_t)i, w);
        double factor[3] = {0.2 + 1.6 * (w[0] * 0x1p-32), 2.5 * (w[1] * 0x1p-32), 0.5 + w[2] * 0x1p-32};
        jitter(want, channels == 1 ? 1 : 3, PLANE, factor); /* alpha stays */
        set(&p, MTL_ROLE_IMAGE, channels, 2, 3, image);
        CHECK(mtl_transform_apply(&t, 1, &draw, &p));
        for (int j = 0; j < channels * PLANE; j++)
            CHECK_NEAR(((float *)p.data.data)[j], want[j], 2e-6);
    }
    set(&p, MTL_ROLE_DEPTH, 1, 1, 2, (float[]){2, 3}); /* dense targets have no colour */
    CHECK(mtl_transform_apply(&t, 1, &training, &p) && FLOATS(&p, 0, 2, 3));
    set(&p, MTL_ROLE_IMAGE, 1, 1, 2, (float[]){2, 3});
    CHECK(mtl_transform_apply(&t, 1, &still, &p) && FLOATS(&p, 0, 2, 3));
    drop(&p);
}

static void it_normalizes(void)
{
    const double mean[] = {0.5, 1}, std[] = {0.25, 2};
    mtl_transform t = {.kind = MTL_NORMALIZE, .channels = 2, .mean = mean, .std = std};
    mtl_picture p = {.role = MTL_ROLE_PLAIN};
    set(&p, MTL_ROLE_IMAGE, 2, 1, 2, (float[]){0.5f, 1, 1, 0});
    CHECK(mtl_transform_apply(&t, 0, &still, &p) && FLOATS(&p, 0, 0, 2, 0, -0.5f));
    set(&p, MTL_ROLE_DEPTH, 1, 1, 2, (float[]){2, NAN});
    CHECK(mtl_transform_apply(&t, 0, &still, &p) && FLOATS(&p, 0, 2, NAN));
    drop(&p);
}

static void settings_are_checked(void)
{
    const double zero = 0, not = NAN, one = 1;
    const struct {
        mtl_transform t;
        const char *says;
    } bad[] = {
        {{.kind = MTL_RESIZE, .width = 4}, "height is 0, which should be 1 to 65536"},
        {{.kind = MTL_RESIZE, .height = 4, .width = INT64_MAX}, "width is"},
        {{.kind = MTL_RANDOM_CROP, .height = 4, .width = -4}, "width is -4"},
        {{.kind = MTL_RANDOM_CROP, .height = 4, .width = 4, .padding = -1},
         "padding is -1, which should be 0 to 65536"},
        {{.kind = MTL_RANDOM_FLIP, .p = 1.5}, "p is 1.5, which should be 0 to 1"},
        {{.kind = MTL_RANDOM_FLIP, .p = NAN}, "p is"},
        {{.kind = MTL_RANDOM_SCALE, .low = 0, .high = 1}, "low is 0"},
        {{.kind = MTL_RANDOM_SCALE, .low = 2, .high = 1}, "high is 1, which should be 2 to 1024"},
        {{.kind = MTL_COLOR_JITTER, .contrast = -1}, "contrast is -1"},
        {{.kind = MTL_NORMALIZE, .mean = &zero, .std = &zero}, "channels is 0"},
        {{.kind = MTL_NORMALIZE, .channels = 1, .mean = &zero, .std = &zero}, "channel 1 has mean 0 and std 0"},
        {{.kind = MTL_NORMALIZE, .channels = 1, .mean = &not, .std = &one}, "channel 1"},
        {{.kind = (mtl_transform_kind)17}, "kind 17 is none"},
    };
    mtl_context *ctx;
    MUST(mtl_context_new(1, &ctx) == MTL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(mtl_transform_check(ctx, "loader: transform 2", &bad[i].t) == MTL_ERR_ARG);
        CHECK_CONTAINS(mtl_message(ctx), bad[i].says);
        CHECK_CONTAINS(mtl_message(ctx), "loader: transform 2: ");
    }
    mtl_context_free(ctx);
}

int main(void)
{
    RUN(it_flips);
    RUN(it_crops);
    RUN(it_resizes);
    RUN(it_resizes_as_pytorch);
    RUN(it_scales);
    RUN(it_jitters_colours);
    RUN(it_normalizes);
    RUN(settings_are_checked);
    return TEST_RESULT;
}
