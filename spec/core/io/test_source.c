/* Rows from files, roles, and transforms through the loader: targets that move with their image, the same bits for any
   number of threads, and errors that name the file. */
#include "damage.h"

/* ---- files to read ---- */

/* Pixels follow from the number of the file. */
static int pixel(int file, int i)
{
    return (file * 31 + i * 7) % 251;
}

static const char *put_png(const char *name, int file, int64_t channels, int64_t height, int64_t width)
{
    mtl_tensor *t = NULL;
    const char *path = place(name);
    CHECK(mtl_tensor_new(ctx, MTL_U8, 3, (int64_t[]){channels, height, width}, &t) == MTL_OK);
    for (int i = 0; t && i < mtl_tensor_count(t); i++)
        ((uint8_t *)mtl_tensor_data(t))[i] = (uint8_t)pixel(file, i);
    CHECK(mtl_png_write(path, t) == MTL_OK);
    mtl_tensor_release(t);
    return path;
}

/* order: "False, " or "True, " (Fortran), then the shape. */
static const char *put_array(const char *name, const char *order, const void *data, size_t bytes)
{
    char head[128];
    unsigned char *whole = malloc(sizeof head + bytes);
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10); /* 118 bytes follow */
    int n = sprintf(head + 10, "{'descr': '<f4', 'fortran_order': %s, }", order);
    head[10 + n] = ' ';
    head[127] = '\n';
    memcpy(whole, head, sizeof head);
    memcpy(whole + sizeof head, data, bytes);
    const char *path = put(name, whole, sizeof head + bytes);
    free(whole);
    return path;
}

static const char *put_npy(const char *name, const char *shape, const void *data, size_t bytes)
{
    char order[100];
    snprintf(order, sizeof order, "False, 'shape': %s", shape);
    return put_array(name, order, data, bytes);
}

enum { FILES = 20 };

/* n PNG files of 1 x 4 x 6 as a source. */
static mtl_source *png_source(void)
{
    char names[FILES][420];
    const char *paths[FILES];
    mtl_source *s = NULL;
    for (int i = 0; i < FILES; i++) {
        char name[32];
        snprintf(name, sizeof name, "image%02d.png", i);
        snprintf(names[i], sizeof names[i], "%s", put_png(name, i, 1, 4, 6));
        paths[i] = names[i];
    }
    CHECK(mtl_source_png(ctx, FILES, paths, MTL_PNG_GRAY, &s) == MTL_OK);
    return s;
}

static mtl_source *tensor_source(mtl_dtype dtype, int rank, const int64_t *shape, const void *values)
{
    mtl_tensor *t = NULL;
    mtl_source *s = NULL;
    CHECK(mtl_tensor_new(ctx, dtype, rank, shape, &t) == MTL_OK);
    memcpy(mtl_tensor_data(t), values, mtl_tensor_bytes(t));
    CHECK(mtl_source_tensor(t, &s) == MTL_OK);
    mtl_tensor_release(t);
    return s;
}

static mtl_loader *open(int n, const mtl_field *f, int64_t batch, int n_transforms, const mtl_transform *t, int threads)
{
    mtl_loader *l = NULL;
    CHECK(
        mtl_loader_new(
            ctx,
            &(mtl_loader_options){
                .n = n, .fields = f, .batch = batch, .n_transforms = n_transforms, .transforms = t, .threads = threads},
            &l) == MTL_OK ||
        (printf("  %s\n", mtl_message(ctx)), false));
    return l;
}

/* What the loader says to a field and transforms that do not fit. */
static void refused(const mtl_field *f, int n, const mtl_transform *t, int n_transforms, const char *says)
{
    mtl_loader *l = NULL;
    mtl_loader_options o = {.n = n, .fields = f, .batch = 2, .n_transforms = n_transforms, .transforms = t};
    CHECK(mtl_loader_new(ctx, &o, &l) != MTL_OK && !l);
    CHECK_CONTAINS(mtl_message(ctx), says);
}

/* ---- sources ---- */

static void png_files_are_rows(void)
{
    mtl_source *s = png_source();
    mtl_tensor *t = NULL, *batch[1];
    int64_t n, seen = 0;
    MUST(s);
    CHECK(mtl_source_rows(s) == FILES && mtl_source_rank(s) == 3 && mtl_source_dtype(s) == MTL_U8);
    CHECK(mtl_source_shape(s)[0] == 1 && mtl_source_shape(s)[1] == 4 && mtl_source_shape(s)[2] == 6);
    CHECK_TEXT(mtl_source_name(s, 7), place("image07.png"));
    MUST(mtl_source_take(s, 2, (int32_t[]){19, 3}, &t) == MTL_OK);
    for (int i = 0; i < 48; i++)
        CHECK(((uint8_t *)mtl_tensor_data(t))[i] == pixel(i < 24 ? 19 : 3, i % 24));
    mtl_tensor_release(t);
    mtl_loader *l = open(1, &(mtl_field){.source = s, .role = MTL_ROLE_IMAGE, .scale = 1 / 255.0}, 6, 0, NULL, 0);
    MUST(l && mtl_loader_start(l, false, 0, 0, 0) == MTL_OK);
    while (mtl_loader_next(l, batch, &n) == MTL_OK && n > 0) {
        CHECK(mtl_tensor_dtype(batch[0]) == MTL_F32 && mtl_tensor_rank(batch[0]) == 4);
        for (int64_t i = 0; i < mtl_tensor_count(batch[0]); i++)
            CHECK(((float *)mtl_tensor_data(batch[0]))[i] ==
                  (float)(pixel((int)(seen + i / 24), (int)(i % 24)) * (1 / 255.0)));
        mtl_tensor_release(batch[0]);
        seen += n;
    }
    CHECK(seen == FILES);
    mtl_loader_free(l);
    mtl_source_release(s);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* Labels as gray values, depth as 16 bits: what the modes are for. */
static void modes_give_targets(void)
{
    const char *path = put_png("labels.png", 3, 1, 2, 3);
    mtl_source *labels = NULL, *depth = NULL;
    mtl_tensor *t[2];
    int64_t n;
    MUST(mtl_source_png(ctx, 1, &path, MTL_PNG_INDEX, &labels) == MTL_OK && mtl_source_rank(labels) == 2);
    MUST(mtl_source_png(ctx, 1, &path, MTL_PNG_GRAY16, &depth) == MTL_OK && mtl_source_dtype(depth) == MTL_F32);
    mtl_field f[] = {{.source = labels, .role = MTL_ROLE_LABELS, .has_missing = true, .missing = pixel(3, 2)},
                     {.source = depth, .role = MTL_ROLE_DEPTH, .scale = 0.5}};
    mtl_loader *l = open(2, f, 1, 0, NULL, 0);
    MUST(l && mtl_loader_start(l, false, 0, 0, 0) == MTL_OK && mtl_loader_next(l, t, &n) == MTL_OK && n == 1);
    for (int i = 0; i < 6; i++) {
        CHECK(((int32_t *)mtl_tensor_data(t[0]))[i] == (i == 2 ? -1 : pixel(3, i)));
        CHECK(((float *)mtl_tensor_data(t[1]))[i] == 0.5f * (float)pixel(3, i));
    }
    CHECK(mtl_tensor_rank(t[0]) == 3 && mtl_tensor_rank(t[1]) == 4);
    mtl_tensor_release(t[0]);
    mtl_tensor_release(t[1]);
    mtl_loader_free(l);
    mtl_source_release(labels);
    mtl_source_release(depth);
}

static void npy_rows_are_read(void)
{
    float values[24];
    mtl_source *whole = NULL, *files = NULL, *both = NULL;
    mtl_tensor *t = NULL;
    for (int i = 0; i < 24; i++)
        values[i] = (float)i + 0.5f;
    MUST(mtl_source_npy(ctx, put_npy("all.npy", "(4, 3, 2)", values, sizeof values), &whole) == MTL_OK);
    CHECK(mtl_source_rows(whole) == 4 && mtl_source_rank(whole) == 2 && mtl_source_dtype(whole) == MTL_F32);
    MUST(mtl_source_take(whole, 3, (int32_t[]){3, 0, 3}, &t) == MTL_OK);
    for (int i = 0; i < 18; i++)
        CHECK(((float *)mtl_tensor_data(t))[i] == values[(i / 6 == 1 ? 0 : 18) + i % 6]);
    mtl_tensor_release(t);
    const char *paths[] = {put_npy("a.npy", "(3, 2)", values, 24), put_npy("b.npy", "(3, 2)", values + 6, 24)};
    MUST(mtl_source_npy_files(ctx, 2, paths, &files) == MTL_OK);
    CHECK(mtl_source_rows(files) == 2 && mtl_source_rank(files) == 2);
    MUST(mtl_source_join(ctx, 2, (mtl_source *[]){files, whole}, &both) == MTL_OK && mtl_source_rows(both) == 6);
    CHECK_TEXT(mtl_source_name(both, 1), place("b.npy"));
    CHECK_TEXT(mtl_source_name(both, 5), place("all.npy"));
    MUST(mtl_source_take(both, 2, (int32_t[]){1, 2}, &t) == MTL_OK);
    CHECK(memcmp(mtl_tensor_data(t), values + 6, 24) == 0 && memcmp((char *)mtl_tensor_data(t) + 24, values, 24) == 0);
    mtl_tensor_release(t);
    mtl_source_release(files);
    mtl_source_release(whole);
    mtl_source_release(both);

    /* in Fortran order a column comes first: rows are (0, 2), (1, 3) */
    const char *turned = put_array("turned.npy", "True, 'shape': (2, 2)", values, 16);
    MUST(mtl_source_npy(ctx, turned, &whole) == MTL_OK && mtl_source_take(whole, 1, (int32_t[]){1}, &t) == MTL_OK);
    CHECK(((float *)mtl_tensor_data(t))[0] == 1.5f && ((float *)mtl_tensor_data(t))[1] == 3.5f);
    CHECK_TEXT(mtl_source_name(whole, 1), turned);
    mtl_tensor_release(t);
    mtl_source_release(whole);

    /* sizes whose product no memory holds, hidden behind a 0 */
    const char *huge = put_npy("huge.npy", "(1, 0, 4611686018427387904, 4611686018427387904)", values, 0);
    CHECK(mtl_source_npy(ctx, huge, &whole) != MTL_OK);
    CHECK(mtl_source_npy_files(ctx, 1, &huge, &whole) != MTL_OK);

    CHECK(mtl_source_npy(ctx, put_npy("one.npy", "()", values, 4), &whole) == MTL_ERR_SHAPE);
    CHECK_CONTAINS(mtl_message(ctx), "one.npy");
    CHECK(mtl_source_npy(ctx, place("none.npy"), &whole) != MTL_OK);
    CHECK_CONTAINS(mtl_message(ctx), "none.npy");
    CHECK(mtl_source_npy_files(ctx, 0, paths, &files) == MTL_ERR_ARG);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* The first row that cannot be read is the one that is named, whichever thread finds it; and the loader goes on. */
static void broken_files_are_named(void)
{
    const mtl_transform resize = {.kind = MTL_RESIZE, .height = 4, .width = 6};
    size_t n_bytes;
    mtl_source *s = png_source();
    mtl_field f = {.source = s, .role = MTL_ROLE_IMAGE, .scale = 1};
    mtl_tensor *t[1];
    int64_t n;
    MUST(s);
    unsigned char *bytes = get(place("image17.png"), &n_bytes);
    put("image17.png", bytes, n_bytes / 2);
    free(bytes);
    put_png("image13.png", 13, 1, 5, 6);
    unlink(place("image08.png"));
    unlink(place("image09.png"));
    for (int threads = 1; threads <= 3; threads++) {
        for (int any = 0; any < 2; any++) {
            mtl_loader *l = open(1, &f, 4, any, &resize, threads);
            MUST(l && mtl_loader_start(l, false, 0, 0, 0) == MTL_OK);
            for (int b = 0; b < 2; b++) {
                MUST(mtl_loader_next(l, t, &n) == MTL_OK && n == 4);
                mtl_tensor_release(t[0]);
            }
            for (int again = 0; again < 2; again++) {
                CHECK(mtl_loader_next(l, t, &n) != MTL_OK);
                CHECK_CONTAINS(mtl_message(ctx), place("image08.png"));
            }
            MUST(mtl_loader_start(l, false, 0, 0, 4) == MTL_OK);
            CHECK(mtl_loader_next(l, t, &n) != MTL_OK);
            CHECK_CONTAINS(mtl_message(ctx), place("image17.png"));
            MUST(mtl_loader_start(l, false, 0, 0, 3) == MTL_OK);
            mtl_status status = mtl_loader_next(l, t, &n);
            if (any) {
                CHECK(status == MTL_OK && n == 4);
                mtl_tensor_release(t[0]);
            } else {
                CHECK(status != MTL_OK);
                CHECK_CONTAINS(mtl_message(ctx), place("image13.png"));
                CHECK_CONTAINS(mtl_message(ctx), "5, 6");
            }
            MUST(mtl_loader_start(l, false, 0, 0, 0) == MTL_OK && mtl_loader_next(l, t, &n) == MTL_OK);
            mtl_tensor_release(t[0]);
            mtl_loader_free(l);
        }
    }
    mtl_source_release(s);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* ---- roles ---- */

static bool first_batch(const mtl_field *f, int n_transforms, const mtl_transform *t, mtl_tensor **out)
{
    int64_t n;
    mtl_loader *l = open(1, f, 100, n_transforms, t, 0);
    bool good = l && CHECK(mtl_loader_start(l, false, 0, 0, 0) == MTL_OK && mtl_loader_next(l, out, &n) == MTL_OK);
    mtl_loader_free(l);
    return good;
}

static bool are_floats(mtl_tensor *t, const float *want)
{
    bool good = CHECK(mtl_tensor_dtype(t) == MTL_F32);
    for (int64_t i = 0; good && i < mtl_tensor_count(t); i++)
        good = CHECK_NEAR(((float *)mtl_tensor_data(t))[i], want[i], 0);
    mtl_tensor_release(t);
    return good;
}

static void roles_convert(void)
{
    const uint8_t bytes[] = {0, 255, 7, 255, 3, 3, 255, 1, 3, 0, 255, 3};
    const int32_t labels[] = {2, 9, -1, 4}, as_labels[] = {0, -1, 7, -1}, no_nines[] = {2, -1, -1, 4};
    const float metres[] = {1, 0.1f, NAN, 4};
    const int64_t map[] = {1, 2, 2}, normals[] = {2, 3, 1, 2};
    mtl_source *u8 = tensor_source(MTL_U8, 3, map, bytes), *i32 = tensor_source(MTL_I32, 3, map, labels);
    mtl_source *f32 = tensor_source(MTL_F32, 3, map, metres), *xyz = tensor_source(MTL_U8, 4, normals, bytes);
    mtl_tensor *t = NULL;
    mtl_field f = {.source = u8, .role = MTL_ROLE_LABELS, .has_missing = true, .missing = 255};
    MUST(first_batch(&f, 0, NULL, &t) && mtl_tensor_dtype(t) == MTL_I32 && mtl_tensor_rank(t) == 3);
    CHECK(memcmp(mtl_tensor_data(t), as_labels, sizeof as_labels) == 0);
    mtl_tensor_release(t);
    f = (mtl_field){.source = i32, .role = MTL_ROLE_LABELS, .has_missing = true, .missing = 9};
    MUST(first_batch(&f, 0, NULL, &t) && memcmp(mtl_tensor_data(t), no_nines, sizeof no_nines) == 0);
    mtl_tensor_release(t);
    int32_t classes[256] = {[0] = 1, [2] = 5, [4] = -1, [255] = 2}; /* 7 becomes 0 */
    const int32_t of_bytes[] = {1, 2, 0, 2}, of_ints[] = {5, 300, -1, -1};
    f = (mtl_field){.source = u8, .role = MTL_ROLE_LABELS, .classes = classes};
    MUST(first_batch(&f, 0, NULL, &t) && memcmp(mtl_tensor_data(t), of_bytes, sizeof of_bytes) == 0);
    mtl_tensor_release(t);
    mtl_source *large = tensor_source(MTL_I32, 3, map, (int32_t[]){2, 300, -1, 4});
    f = (mtl_field){.source = large, .role = MTL_ROLE_LABELS, .classes = classes};
    MUST(first_batch(&f, 0, NULL, &t) && memcmp(mtl_tensor_data(t), of_ints, sizeof of_ints) == 0);
    mtl_tensor_release(t);
    mtl_source_release(large);
    f = (mtl_field){.source = u8, .role = MTL_ROLE_DEPTH, .scale = 0.5, .shift = 1, .has_missing = true, .missing = 0};
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){NAN, 128.5f, 4.5f, 128.5f}));
    f = (mtl_field){.source = i32, .role = MTL_ROLE_DEPTH, .scale = 0.5};
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){1, 4.5f, -0.5f, 2}));
    f = (mtl_field){.source = f32, .role = MTL_ROLE_DEPTH, .scale = 2, .has_missing = true, .missing = 0.1};
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){2, NAN, NAN, 8}));
    f = (mtl_field){.source = xyz, .role = MTL_ROLE_NORMALS, .scale = 1, .has_missing = true, .missing = 3};
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){0, 255, 7, 255, 3, 3, 255, 1, 3, 0, 255, 3}));
    f.missing = 255; /* in one channel only: that is a normal */
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){0, 255, 7, 255, 3, 3, 255, 1, 3, 0, 255, 3}));
    mtl_source_release(xyz);
    xyz = tensor_source(MTL_U8, 4, normals, (uint8_t[]){9, 1, 9, 9, 9, 2, 0, 1, 2, 3, 4, 5});
    f = (mtl_field){.source = xyz, .role = MTL_ROLE_NORMALS, .scale = 1, .has_missing = true, .missing = 9};
    CHECK(first_batch(&f, 0, NULL, &t) && are_floats(t, (float[]){NAN, 1, NAN, 9, NAN, 2, 0, 1, 2, 3, 4, 5}));

    refused(&(mtl_field){.source = u8, .role = MTL_ROLE_DEPTH, .classes = classes}, 1, NULL, 0,
            "`classes` are for labels");
    refused(&(mtl_field){.source = u8, .role = MTL_ROLE_IMAGE}, 1, NULL, 0,
            "field 1 has rows of uint8 [2, 2], but an image is uint8 or float32 [channels, height, width]");
    refused(&(mtl_field){.source = f32, .role = MTL_ROLE_LABELS}, 1, NULL, 0, "labels are int32 or uint8");
    refused(&(mtl_field){.source = xyz, .role = MTL_ROLE_DEPTH}, 1, NULL, 0, "depth is [height, width]");
    refused(&(mtl_field){.source = i32, .role = MTL_ROLE_NORMALS}, 1, NULL, 0, "normals are");
    refused(&(mtl_field){.source = i32, .role = (mtl_role)9}, 1, NULL, 0, "role 9, which is none");
    refused(&(mtl_field){.source = i32, .has_missing = true}, 1, NULL, 0, "`missing` is for labels, depth and normals");
    mtl_source_release(u8);
    mtl_source_release(i32);
    mtl_source_release(f32);
    mtl_source_release(xyz);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

/* ---- scenes: an image, labels, depth and normals that say the same of each place ---- */

enum { ROWS = 30, SIDE = 10, PLANE = SIDE * SIDE, SCENE = 5 };

/* Place i of row r has number 1 + (r * PLANE + i) % 97: that is its label (every eleventh is missing), its depth and
   its grey; its normal is (sin, 0, cos) of it. The last field is the row's number. */
static void make_scenes(mtl_field *f, bool from_files)
{
    static uint8_t image[ROWS * 3 * PLANE];
    static int32_t labels[ROWS * PLANE], number[ROWS];
    static float depth[ROWS * PLANE], normals[ROWS * 3 * PLANE];
    for (int r = 0; r < ROWS; r++) {
        number[r] = r;
        for (int i = 0; i < PLANE; i++) {
            int v = 1 + (r * PLANE + i) % 97, at = r * PLANE + i, at3 = 3 * r * PLANE + i;
            bool missing = v % 11 == 0;
            image[at3] = image[at3 + PLANE] = image[at3 + 2 * PLANE] = (uint8_t)v;
            labels[at] = missing ? -1 : v;
            depth[at] = missing ? NAN : (float)v;
            normals[at3] = missing ? NAN : sinf((float)v);
            normals[at3 + PLANE] = missing ? NAN : 0;
            normals[at3 + 2 * PLANE] = missing ? NAN : cosf((float)v);
        }
    }
    f[0] = (mtl_field){.role = MTL_ROLE_IMAGE, .scale = 1 / 255.0};
    f[0].source = tensor_source(MTL_U8, 4, (int64_t[]){ROWS, 3, SIDE, SIDE}, image);
    f[1] = (mtl_field){.role = MTL_ROLE_LABELS};
    f[1].source = tensor_source(MTL_I32, 3, (int64_t[]){ROWS, SIDE, SIDE}, labels);
    f[2] = (mtl_field){.role = MTL_ROLE_DEPTH, .scale = 1};
    f[3] = (mtl_field){.role = MTL_ROLE_NORMALS};
    f[4] = (mtl_field){.role = MTL_ROLE_PLAIN};
    f[4].source = tensor_source(MTL_I32, 1, (int64_t[]){ROWS}, number);
    if (from_files) {
        CHECK(mtl_source_npy(ctx, put_npy("depth.npy", "(30, 1, 10, 10)", depth, sizeof depth), &f[2].source) ==
              MTL_OK);
        CHECK(mtl_source_npy(ctx, put_npy("normals.npy", "(30, 3, 10, 10)", normals, sizeof normals), &f[3].source) ==
              MTL_OK);
    } else {
        f[2].source = tensor_source(MTL_F32, 4, (int64_t[]){ROWS, 1, SIDE, SIDE}, depth);
        f[3].source = tensor_source(MTL_F32, 4, (int64_t[]){ROWS, 3, SIDE, SIDE}, normals);
    }
}

static void drop_scenes(mtl_field *f)
{
    for (int i = 0; i < SCENE; i++)
        mtl_source_release(f[i].source);
    CHECK(mtl_memory_use(ctx).bytes == 0);
}

static const double mean[] = {0.4, 0.5, 0.6}, deviation[] = {0.2, 0.3, 0.4};
static const mtl_transform all[] = {
    {.kind = MTL_RANDOM_CROP, .height = 12, .width = 8, .padding = 3},
    {.kind = MTL_RANDOM_SCALE, .low = 0.6, .high = 1.8},
    {.kind = MTL_RANDOM_FLIP, .p = 0.5},
    {.kind = MTL_RANDOM_FLIP, .p = 0.5, .vertical = true},
    {.kind = MTL_COLOR_JITTER, .brightness = 0.4, .contrast = 0.4, .saturation = 0.4},
    {.kind = MTL_RESIZE, .height = 9, .width = 11},
    {.kind = MTL_NORMALIZE, .channels = 3, .mean = mean, .std = deviation},
};
enum { ALL = sizeof all / sizeof *all };

/* An epoch's bytes from batch `first` on, all fields, in `to`; how many. */
static size_t epoch_bytes(const mtl_field *f, int threads, uint64_t epoch, int64_t first, unsigned char *to)
{
    mtl_tensor *t[SCENE];
    int64_t n = 0;
    size_t used = 0;
    mtl_loader *l = open(SCENE, f, 7, ALL, all, threads);
    CHECK(l && mtl_loader_start(l, true, 11, epoch, first) == MTL_OK);
    while (l && CHECK(mtl_loader_next(l, t, &n) == MTL_OK) && n > 0) {
        for (int i = 0; i < SCENE; i++) {
            memcpy(to + used, mtl_tensor_data(t[i]), mtl_tensor_bytes(t[i]));
            used += mtl_tensor_bytes(t[i]);
            mtl_tensor_release(t[i]);
        }
    }
    mtl_loader_free(l);
    return used;
}

static void any_number_of_threads_gives_the_same_bits(void)
{
    enum { ROW = 4 * (8 * 99 + 1) }; /* bytes of a row of all fields */
    static unsigned char one[ROWS * ROW], other[ROWS * ROW], kept[ROWS * ROW];
    for (int files = 0; files < 2; files++) {
        mtl_field f[SCENE];
        make_scenes(f, files);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            CHECK(epoch_bytes(f, 1, epoch, 0, one) == sizeof one);
            for (int threads = 2; threads <= 3; threads++) {
                CHECK(epoch_bytes(f, threads, epoch, 0, other) == sizeof one && memcmp(one, other, sizeof one) == 0);
                size_t rest = epoch_bytes(f, threads, epoch, 3, other);
                CHECK(rest == sizeof one - 21 * ROW && memcmp(one + 21 * ROW, other, rest) == 0);
            }
        }
        epoch_bytes(f, 1, 1, 0, other);
        CHECK(memcmp(one, other, sizeof one) != 0); /* another epoch is another draw */
        if (files)
            CHECK(memcmp(one, kept, sizeof one) == 0); /* from files as from memory */
        memcpy(kept, one, sizeof one);
        drop_scenes(f);
    }
}

/* What each place of a batch says of itself must agree, whatever was done to it. */
static void targets_move_with_their_image(void)
{
    const mtl_transform moves[] = {all[0], all[2], all[3], {.kind = MTL_RESIZE, .height = 24, .width = 5}};
    mtl_field f[SCENE];
    mtl_tensor *t[SCENE];
    int64_t n;
    int labelled = 0, flipped = 0;
    make_scenes(f, false);
    mtl_loader *l = open(SCENE, f, 10, 3, moves, 2);
    MUST(l && mtl_loader_start(l, true, 2, 0, 0) == MTL_OK);
    while (mtl_loader_next(l, t, &n) == MTL_OK && n > 0) {
        const float *image = mtl_tensor_data(t[0]), *depth = mtl_tensor_data(t[2]), *normal = mtl_tensor_data(t[3]);
        const int32_t *label = mtl_tensor_data(t[1]), *number = mtl_tensor_data(t[4]);
        CHECK(mtl_tensor_shape(t[1])[1] == 12 && mtl_tensor_shape(t[1])[2] == 8 && mtl_tensor_shape(t[3])[1] == 3);
        for (int64_t r = 0; r < n; r++) {
            int sign = 0;
            for (int i = 0; i < 96; i++) {
                int64_t at = r * 96 + i, at3 = 3 * r * 96 + i;
                int v = (int)lrintf(image[at3] * 255);
                bool missing = v == 0 || v % 11 == 0; /* 0: padding */
                CHECK((label[at] == -1) == missing && isnan(depth[at]) == missing && isnan(normal[at3]) == missing);
                if (missing)
                    continue;
                CHECK(v <= 97 && label[at] == v && depth[at] == (float)v);
                sign = normal[at3] * sinf((float)v) < 0 ? -1 : 1;
                CHECK_NEAR(normal[at3], sign * sinf((float)v), 0);
                CHECK_NEAR(normal[at3 + 192], cosf((float)v), 0);
                labelled++;
            }
            flipped += sign < 0;
            CHECK(number[r] >= 0 && number[r] < ROWS);
        }
        for (int i = 0; i < SCENE; i++)
            mtl_tensor_release(t[i]);
    }
    CHECK(labelled > 1000 && flipped > 5 && flipped < 25);
    mtl_loader_free(l);

    /* all of them, and what must stay true: labels of the scene, depth above 0, unit normals, missing together */
    l = open(SCENE, f, 10, ALL, all, 2);
    MUST(l && mtl_loader_start(l, true, 2, 0, 0) == MTL_OK);
    while (mtl_loader_next(l, t, &n) == MTL_OK && n > 0) {
        const float *image = mtl_tensor_data(t[0]), *depth = mtl_tensor_data(t[2]), *normal = mtl_tensor_data(t[3]);
        const int32_t *label = mtl_tensor_data(t[1]);
        for (int64_t at = 0; at < n * 99; at++) {
            const float *x = normal + at / 99 * 3 * 99 + at % 99;
            CHECK(isfinite(image[at]) && label[at] >= -1 && label[at] != 0 && label[at] <= 97);
            CHECK((label[at] == -1) == isnan(depth[at]) && isnan(depth[at]) == isnan(x[0]));
            if (label[at] == -1)
                continue;
            double s = label[at] / (double)depth[at];
            CHECK(s > 0.6 - 1e-3 && s < 1.8 + 1e-3);
            CHECK_NEAR(sqrt((double)x[0] * x[0] + (double)x[99] * x[99] + (double)x[198] * x[198]), 1, 1e-6);
        }
        for (int i = 0; i < SCENE; i++)
            mtl_tensor_release(t[i]);
    }
    mtl_loader_free(l);
    drop_scenes(f);
}

/* Rows of any size become one; and nothing is allocated for batches once it runs. */
static void a_resize_makes_rows_of_one_size(void)
{
    const mtl_transform first[] = {{.kind = MTL_RANDOM_FLIP, .p = 0.5},
                                   {.kind = MTL_RESIZE, .height = 6, .width = 5},
                                   {.kind = MTL_RANDOM_CROP, .height = 4, .width = 4}};
    const mtl_transform late[] = {first[2], first[1]};
    const char *paths[] = {put_png("s0.png", 0, 3, 8, 9), put_png("s1.png", 1, 3, 4, 20),
                           put_png("s2.png", 2, 3, 30, 5)};
    mtl_source *s = NULL;
    mtl_tensor *t[1];
    int64_t n;
    uint64_t settled = 0;
    MUST(mtl_source_png(ctx, 3, paths, MTL_PNG_RGB, &s) == MTL_OK);
    mtl_field f = {.source = s, .role = MTL_ROLE_IMAGE, .scale = 1 / 255.0};
    mtl_loader *l = open(1, &f, 1, 3, first, 2);
    MUST(l);
    for (uint64_t epoch = 0; epoch < 5; epoch++) {
        MUST(mtl_loader_start(l, true, 1, epoch, 0) == MTL_OK);
        for (int b = 0; b < 3; b++) {
            MUST(mtl_loader_next(l, t, &n) == MTL_OK && n == 1 && mtl_tensor_count(t[0]) == 48);
            mtl_tensor_release(t[0]);
            if (epoch == 0 && b == 1)
                settled = mtl_memory_use(ctx).allocations;
        }
    }
    CHECK(mtl_memory_use(ctx).allocations == settled);
    mtl_loader_free(l);
    l = open(1, &f, 3, 2, late, 1);
    MUST(l && mtl_loader_start(l, false, 1, 0, 0) == MTL_OK);
    CHECK(mtl_loader_next(l, t, &n) != MTL_OK);
    CHECK_CONTAINS(mtl_message(ctx), place("s1.png"));
    CHECK_CONTAINS(mtl_message(ctx), "resize");
    mtl_loader_free(l);
    mtl_source_release(s);
}

static void transforms_must_fit(void)
{
    const mtl_transform big = {.kind = MTL_RANDOM_CROP, .height = 11, .width = 4},
                        one = {.kind = MTL_NORMALIZE, .channels = 1, .mean = mean, .std = deviation};
    const mtl_transform order[] = {all[6], all[4]}, bad[] = {all[0], {.kind = MTL_RANDOM_FLIP, .p = 2}};
    mtl_field f[SCENE];
    make_scenes(f, false);
    refused(f, SCENE, &big, 1, "field 1: a crop of 11 x 4 of an image of 10 x 10 (height x width) with padding 0");
    refused(f, SCENE, &one, 1, "field 1 has 3 channels, but normalize has numbers for 1");
    refused(f, SCENE, order, 2, "color_jitter");
    refused(f, SCENE, bad, 2, "transform 2: p is 2");
    mtl_source_release(f[2].source);
    f[2].source = tensor_source(MTL_F32, 3, (int64_t[]){ROWS, 10, 11}, (float[ROWS * 110]){0});
    refused(f, SCENE, all, ALL, "field 3 is 10 x 11 (height x width), but field 1 is 10 x 10");
    drop_scenes(f);
}

int main(void)
{
    if (!test_begin())
        return 1;
    RUN(png_files_are_rows);
    RUN(modes_give_targets);
    RUN(npy_rows_are_read);
    RUN(broken_files_are_named);
    RUN(roles_convert);
    RUN(any_number_of_threads_gives_the_same_bits);
    RUN(targets_move_with_their_image);
    RUN(a_resize_makes_rows_of_one_size);
    RUN(transforms_must_fit);
    return TEST_RESULT;
}
