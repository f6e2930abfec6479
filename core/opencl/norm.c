/* Batch norm, layer and group norm. */
#include "opencl/opencl.h"

enum {
    GROUP = 256,
    NEIGHBOURS = 32, /* channels side by side, where inner is 1 */
    LANES = 8,       /* and on a CPU */
    PIECE = 4096,    /* elements of a sum that a group should have */
    MAX_PIECES = 64,
    CPU_PIECE = 1 << 18 /* and on a CPU */
};

typedef struct { /* as `moving` of kernels/norm.cl */
    float momentum, eps;
    int32_t moves;
} mtl_cl_moving;

/* How sums of `count` elements for each channel are laid out. Lanes are channels only with statistics for each, or with
   the same for all. */
typedef struct {
    int64_t columns, tiles, pieces, piece;
    size_t local;
} layout;

static layout layout_of(const mtl_tensor *on, int64_t count, int64_t channels, int64_t inner, int64_t groups)
{
    bool cpu = mtl_cl_is_cpu(on);
    layout l = {.columns = inner != 1 ? 1 : !cpu ? NEIGHBOURS : groups > 1 ? 1 : LANES, .local = cpu ? 1 : GROUP};
    int64_t pieces = count * l.columns / (cpu ? CPU_PIECE : PIECE);
    l.tiles = (channels + l.columns - 1) / l.columns;
    pieces = pieces < 1 ? 1 : pieces < MAX_PIECES ? pieces : MAX_PIECES;
    l.piece = (count + pieces - 1) / pieces;
    l.pieces = l.piece ? (count + l.piece - 1) / l.piece : 1;
    return l;
}

/* Elements of a work-item that goes element by element. */
static int64_t run_of(const mtl_tensor *on, int64_t channels, int64_t inner)
{
    return !mtl_cl_is_cpu(on) ? 1 : inner == 1 ? channels : inner;
}

/* Work-items of a group that have runs: on a CPU each is a loop by itself. */
static size_t group_of(int64_t run)
{
    return run > 1 ? 1 : GROUP;
}

mtl_status mtl_cl_norm_stats(bool training, int64_t batch, int64_t channels, int64_t inner, double momentum, double eps,
                             const mtl_tensor *x, mtl_tensor *running_mean, mtl_tensor *running_var, mtl_tensor *mean,
                             mtl_tensor *inv)
{
    if (!training)
        return MTL_CL_RUN_FLAT(mean, "norm", "stats_running", "-DINDEX=uint", channels, MTL_CL_BUF(running_mean),
                               MTL_CL_BUF(running_var), MTL_CL_BUF(mean), MTL_CL_BUF(inv), MTL_CL_I32(channels),
                               MTL_CL_F32(eps));
    layout l = layout_of(x, batch * inner, channels, inner, 0);
    mtl_cl_moving moving = {(float)momentum, (float)eps, running_mean != NULL};
    mtl_tensor *parts = NULL;
    int64_t floats = 2 * l.pieces * channels;
    size_t global = (size_t)(l.tiles * l.pieces) * l.local;
    if (l.pieces > 1)
        MTL_TRY(mtl_tensor_like(x, MTL_F32, 1, &floats, &parts));
    mtl_status status =
        MTL_CL_RUN(x, "norm", "stats", "-DINDEX=uint", 1, &global, &l.local, MTL_CL_BUF(x), MTL_CL_BUF(running_mean),
                   MTL_CL_BUF(running_var), MTL_CL_BUF(mean), MTL_CL_BUF(inv), MTL_CL_BUF(parts), MTL_CL_I32(batch),
                   MTL_CL_I32(channels), MTL_CL_I32(inner), MTL_CL_I32(l.columns), MTL_CL_I32(l.pieces),
                   MTL_CL_I32(l.piece), MTL_CL_STRUCT(moving), MTL_CL_LOCAL(l.local * sizeof(float)));
    if (status == MTL_OK && parts)
        status = MTL_CL_RUN_FLAT(x, "norm", "stats_join", "-DINDEX=uint", channels, MTL_CL_BUF(parts),
                                 MTL_CL_BUF(running_mean), MTL_CL_BUF(running_var), MTL_CL_BUF(mean), MTL_CL_BUF(inv),
                                 MTL_CL_I32(batch * inner), MTL_CL_I32(channels), MTL_CL_I32(l.pieces),
                                 MTL_CL_I32(l.piece), MTL_CL_STRUCT(moving));
    mtl_tensor_release(parts);
    return status;
}

mtl_status mtl_cl_norm_apply(int64_t batch, int64_t channels, int64_t inner, const mtl_tensor *x,
                             const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *b,
                             mtl_tensor *y)
{
    int64_t count = batch * channels * inner, run = run_of(x, channels, inner), items = count ? count / run : 0;
    size_t local = group_of(run), global = (size_t)items;
    return MTL_CL_RUN(y, "norm", "apply", mtl_cl_index(count), 1, &global, &local, MTL_CL_BUF(x), MTL_CL_BUF(mean),
                      MTL_CL_BUF(inv), MTL_CL_BUF(w), MTL_CL_BUF(b), MTL_CL_BUF(y), MTL_CL_I64(items),
                      MTL_CL_I32(channels), MTL_CL_I32(inner), MTL_CL_I32(run));
}

/* sums [2, rows, channels], the first of the pieces in *sums; and dw and db. groups > 0: statistics of lines. */
static mtl_status grad_sums(int64_t groups, int64_t rows, int64_t batch, int64_t channels, int64_t inner,
                            const mtl_tensor *x, const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *dy,
                            mtl_tensor *dw, mtl_tensor *db, mtl_tensor **sums)
{
    layout l = layout_of(x, batch * inner, channels, inner, groups);
    int64_t floats = 2 * l.pieces * rows * channels;
    size_t global = (size_t)(rows * l.tiles * l.pieces) * l.local;
    MTL_TRY(mtl_tensor_like(x, MTL_F32, 1, &floats, sums));
    MTL_TRY(MTL_CL_RUN(x, "norm", groups ? "line_sums" : "grad_sums", "-DINDEX=uint", 1, &global, &l.local,
                       MTL_CL_BUF(x), MTL_CL_BUF(mean), MTL_CL_BUF(inv), MTL_CL_BUF(dy), MTL_CL_BUF(*sums),
                       MTL_CL_BUF(dw), MTL_CL_BUF(db), MTL_CL_I32(rows), MTL_CL_I32(batch), MTL_CL_I32(channels),
                       MTL_CL_I32(inner), MTL_CL_I32(l.columns), MTL_CL_I32(l.pieces), MTL_CL_I32(l.piece),
                       MTL_CL_I32(groups), MTL_CL_LOCAL(l.local * sizeof(float))));
    if (l.pieces == 1)
        return MTL_OK;
    return MTL_CL_RUN_FLAT(x, "norm", "grad_join", "-DINDEX=uint", rows * channels, MTL_CL_BUF(*sums), MTL_CL_BUF(dw),
                           MTL_CL_BUF(db), MTL_CL_I32(rows * channels), MTL_CL_I32(l.pieces));
}

mtl_status mtl_cl_norm_grad(bool training, int64_t rows, int64_t batch, int64_t channels, int64_t inner,
                            const mtl_tensor *x, const mtl_tensor *mean, const mtl_tensor *inv, const mtl_tensor *w,
                            const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dw, mtl_tensor *db)
{
    int64_t each = batch * channels * inner, run = run_of(x, channels, inner), items = each ? rows * each / run : 0;
    size_t local = group_of(run), global = (size_t)items;
    mtl_tensor *sums = NULL;
    mtl_status status = MTL_OK;
    if (dw || db || (dx && training))
        status = grad_sums(0, rows, batch, channels, inner, x, mean, inv, dy, dw, db, &sums);
    if (status == MTL_OK && dx)
        status = MTL_CL_RUN(dx, "norm", "grad_apply", mtl_cl_index(rows * each), 1, &global, &local, MTL_CL_BUF(x),
                            MTL_CL_BUF(mean), MTL_CL_BUF(inv), MTL_CL_BUF(w), MTL_CL_BUF(dy),
                            MTL_CL_BUF(training ? sums : NULL), MTL_CL_BUF(dx), MTL_CL_I64(items), MTL_CL_I64(each),
                            MTL_CL_I32(rows), MTL_CL_I32(channels), MTL_CL_I32(inner), MTL_CL_I32(run),
                            MTL_CL_F32(batch * inner));
    mtl_tensor_release(sums);
    return status;
}

/* Work-items of a group that has a line of n elements. */
static size_t line_group(const mtl_tensor *on, int64_t n)
{
    size_t local = 32;
    while (local < GROUP && (int64_t)local < n)
        local *= 2;
    return mtl_cl_is_cpu(on) ? 1 : local;
}

mtl_status mtl_cl_line_norm(const int64_t *extent, double eps, const mtl_tensor *x, const mtl_tensor *w,
                            const mtl_tensor *b, mtl_tensor *mean, mtl_tensor *inv, mtl_tensor *y)
{
    size_t local = line_group(x, extent[2] * extent[3]), global = (size_t)(extent[0] * extent[1]) * local;
    return MTL_CL_RUN(y, "norm", "line_norm", "-DINDEX=uint", 1, &global, &local, MTL_CL_BUF(x), MTL_CL_BUF(w),
                      MTL_CL_BUF(b), MTL_CL_BUF(mean), MTL_CL_BUF(inv), MTL_CL_BUF(y), MTL_CL_I32(extent[1]),
                      MTL_CL_I32(extent[2]), MTL_CL_I32(extent[3]), MTL_CL_F32(eps),
                      MTL_CL_LOCAL(local * sizeof(float)));
}

mtl_status mtl_cl_line_norm_grad(int64_t rows, const int64_t *extent, const mtl_tensor *x, const mtl_tensor *mean,
                                 const mtl_tensor *inv, const mtl_tensor *w, const mtl_tensor *dy, mtl_tensor *dx,
                                 mtl_tensor *dw, mtl_tensor *db)
{
    int64_t lines = extent[0] * extent[1];
    size_t local = line_group(x, extent[2] * extent[3]), global = (size_t)(rows * lines) * local;
    mtl_tensor *sums = NULL;
    mtl_status status = MTL_OK;
    if (dx)
        MTL_TRY(MTL_CL_RUN(dx, "norm", "line_grad", "-DINDEX=uint", 1, &global, &local, MTL_CL_BUF(x), MTL_CL_BUF(mean),
                           MTL_CL_BUF(inv), MTL_CL_BUF(w), MTL_CL_BUF(dy), MTL_CL_BUF(dx), MTL_CL_I64(lines),
                           MTL_CL_I32(extent[1]), MTL_CL_I32(extent[2]), MTL_CL_I32(extent[3]),
                           MTL_CL_LOCAL(local * sizeof(float))));
    if (dw || db)
        status =
            grad_sums(extent[1], rows, extent[0], extent[1] * extent[2], extent[3], x, mean, inv, dy, dw, db, &sums);
    mtl_tensor_release(sums);
    return status;
}
