/* Batch norm over [batch, channels, inner], and norms of lines. Sums are a group's: COLUMNS lines of work-items side by
   side, each for a channel (COLUMNS is 1, or more where channels are neighbours); long ones are cut into pieces. On a
   CPU a group is one work-item with vectors, whose lanes are the COLUMNS where channels are neighbours. Two passes, so
   that float32 is enough.
   Option: INDEX, uint where all elements can be counted with it, else ulong. */
#ifdef MTL_CPU
typedef float8 some; /* elements of one step */
static some load(__global const float *x, const int n)
{
    float lane[8] = {0};
    if (n >= 8)
        return vload8(0, x);
    if (n == 1)
        return (float8)(*x, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f);
    for (int l = 0; l < n; l++)
        lane[l] = x[l];
    return vload8(0, lane);
}
static float8 ones(const int n)
{
    const int8 lane = (int8)(0, 1, 2, 3, 4, 5, 6, 7);
    return select((float8)(0.0f), (float8)(1.0f), lane < n);
}
static float total(const some v)
{
    const float4 a = v.lo + v.hi;
    return (a.x + a.y) + (a.z + a.w);
}
/* Where lanes are channels (`columns` is more than 1), `lanes` of them from channel c on: what each has. */
#define LANES(columns)  min(columns, channels - c)
#define OWN(x)          (columns > 1 ? load(x, lanes) : (float8)(*(x)))
#define JOINED(v)       (columns > 1 ? v : (float8)(total(v)))
#define LANE(v, l)      (((const float *)&(v))[l])
/* For elements [begin, end) of a channel: body sees `at`, the place, and `n`, how many lie there, at most 8. */
#define EACH(body)                                                                                                     \
    for (int b_ = begin; columns > 1 && b_ < end; b_++) {                                                              \
        const long at = (long)b_ * channels + c;                                                                       \
        const int n = lanes;                                                                                           \
        body                                                                                                           \
    }                                                                                                                  \
    for (int b_ = begin / inner, i_ = begin % inner, left_ = columns > 1 ? 0 : end - begin; left_ > 0; b_++, i_ = 0) { \
        const int stop_ = min(inner, i_ + left_);                                                                      \
        left_ -= stop_ - i_;                                                                                           \
        for (; i_ < stop_; i_ += 8) {                                                                                  \
            const long at = ((long)b_ * channels + c) * inner + i_;                                                    \
            const int n = min(8, stop_ - i_);                                                                          \
            body                                                                                                       \
        }                                                                                                              \
    }
#else
typedef float some;
#define load(x, n) (*(x))
#define ones(n)    1.0f
#define total(v)   (v)
#define LANES(columns) 1
#define OWN(x)         (*(x))
#define JOINED(v)      column_sum(v, columns, room)
#define LANE(v, l)     (v)
#define EACH(body)                                                                                                     \
    {                                                                                                                  \
        const int across_ = (int)get_local_size(0) / columns, step_b_ = across_ / inner, step_i_ = across_ % inner;    \
        int e_ = begin + (int)get_local_id(0) / columns, b_ = e_ / inner, i_ = e_ % inner;                             \
        for (; e_ < end; e_ += across_) {                                                                              \
            const long at = ((long)b_ * channels + c) * inner + i_;                                                    \
            body                                                                                                       \
            b_ += step_b_;                                                                                             \
            i_ += step_i_;                                                                                             \
            if (i_ >= inner) {                                                                                         \
                i_ -= inner;                                                                                           \
                b_++;                                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    }
#endif

/* The sum over the work-items of this one's column. */
static float column_sum(const float value, const int columns, __local float *room)
{
    const int own = (int)get_local_id(0);
    if (get_local_size(0) == 1)
        return value;
    barrier(CLK_LOCAL_MEM_FENCE);
    room[own] = value;
    for (int step = (int)get_local_size(0) / 2; step >= columns; step /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (own < step)
            room[own] += room[own + step];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return room[own % columns];
}

typedef struct { /* as mtl_cl_moving of norm.c */
    float momentum, eps;
    int moves;
} moving;

/* mean, inv and the running statistics of channel c, from the sum of squares about the mean. */
static void keep_stats(const int c, const float centre, const float squares, const float count, const moving g,
                       __global float *running_mean, __global float *running_var, __global float *mean,
                       __global float *inv)
{
    mean[c] = centre;
    inv[c] = 1.0f / sqrt(squares / count + g.eps);
    if (!g.moves)
        return;
    running_mean[c] = (1.0f - g.momentum) * running_mean[c] + g.momentum * centre;
    running_var[c] = (1.0f - g.momentum) * running_var[c] + g.momentum * squares / (count - 1.0f);
}

/* Group (tile of channels, piece). With one piece it keeps the statistics; else parts [2, pieces, channels] hold the
   mean of each piece and its sum of squares about that. */
__kernel void stats(__global const float *restrict x, const long x_at, __global float *running_mean,
                    const long running_mean_at, __global float *running_var, const long running_var_at,
                    __global float *mean, const long mean_at, __global float *inv, const long inv_at,
                    __global float *parts, const long parts_at, const int batch, const int channels, const int inner,
                    const int columns, const int pieces, const int piece, const moving g, __local float *room)
{
    const int which = (int)get_group_id(0) % pieces, tile = (int)get_group_id(0) / pieces;
    const int own = tile * columns + (int)get_local_id(0) % columns, c = min(own, channels - 1);
    const int begin = which * piece, end = min(begin + piece, batch * inner);
    const int lanes = LANES(columns);
    some sum = 0.0f, squares = 0.0f;
    x += x_at;
    EACH(sum += load(x + at, n);)
    const some centre = JOINED(sum) / (float)(end - begin);
    EACH(const some d = load(x + at, n) - centre; squares += ones(n) * d * d;)
    const some spread = JOINED(squares);
    if ((int)get_local_id(0) >= columns || own >= channels)
        return;
    parts += parts ? parts_at : 0;
    for (int l = 0; l < lanes; l++) {
        if (pieces == 1) {
            keep_stats(c + l, LANE(centre, l), LANE(spread, l), (float)(end - begin), g, running_mean + running_mean_at,
                       running_var + running_var_at, mean + mean_at, inv + inv_at);
        } else {
            parts[which * channels + c + l] = LANE(centre, l);
            parts[(pieces + which) * channels + c + l] = LANE(spread, l);
        }
    }
}

/* One work-item a channel: pieces become one (Chan, Golub and LeVeque 1983). */
__kernel void stats_join(__global const float *parts, const long parts_at, __global float *running_mean,
                         const long running_mean_at, __global float *running_var, const long running_var_at,
                         __global float *mean, const long mean_at, __global float *inv, const long inv_at,
                         const int count, const int channels, const int pieces, const int piece, const moving g)
{
    const int c = (int)get_global_id(0);
    float centre = 0.0f, squares = 0.0f, n = 0.0f;
    if (c >= channels)
        return;
    parts += parts_at;
    for (int i = 0; i < pieces; i++) {
        const float more = (float)min(piece, count - i * piece), all = n + more;
        const float shift = parts[i * channels + c] - centre;
        centre += shift * (more / all);
        squares += parts[(pieces + i) * channels + c] + shift * shift * (n * (more / all));
        n = all;
    }
    keep_stats(c, centre, squares, n, g, running_mean + running_mean_at, running_var + running_var_at, mean + mean_at,
               inv + inv_at);
}

/* The running statistics are the ones to use. */
__kernel void stats_running(__global const float *running_mean, const long running_mean_at,
                            __global const float *running_var, const long running_var_at, __global float *mean,
                            const long mean_at, __global float *inv, const long inv_at, const int channels,
                            const float eps)
{
    const int c = (int)get_global_id(0);
    if (c >= channels)
        return;
    mean[mean_at + c] = running_mean[running_mean_at + c];
    inv[inv_at + c] = 1.0f / sqrt(running_var[running_var_at + c] + eps);
}

/* y = (x - mean) inv w + b. A work-item has `run` elements: one, or on a CPU a whole run of one channel, or with
   inner = 1 a whole line of channels. */
__kernel void apply(__global const float *restrict x, const long x_at, __global const float *restrict mean,
                    const long mean_at, __global const float *restrict inv, const long inv_at,
                    __global const float *restrict w, const long w_at, __global const float *restrict b,
                    const long b_at, __global float *restrict y, const long y_at, const long items, const int channels,
                    const int inner, const int run)
{
    const INDEX e = (INDEX)get_global_id(0) * (INDEX)run;
    if (get_global_id(0) >= items)
        return;
    x += x_at + e;
    y += y_at + e;
    mean += mean_at;
    inv += inv_at;
    w += w ? w_at : 0;
    b += b ? b_at : 0;
    if (run > 1 && inner == 1) {
        for (int c = 0; c < run; c++)
            y[c] = (x[c] - mean[c]) * (inv[c] * (w ? w[c] : 1.0f)) + (b ? b[c] : 0.0f);
        return;
    }
    const int c = (int)(e / (INDEX)inner % (INDEX)channels);
    const float centre = mean[c], scale = inv[c] * (w ? w[c] : 1.0f), shift = b ? b[c] : 0.0f;
    for (int i = 0; i < run; i++)
        y[i] = (x[i] - centre) * scale + shift;
}

/* Sums of dy, and of dy times the normalised x: parts [pieces, 2, rows, channels]; group (row, tile of channels,
   piece). With one piece dw and db (or NULL) are written too. `groups` is line_sums'. */
__kernel void grad_sums(__global const float *restrict x, const long x_at, __global const float *restrict mean,
                        const long mean_at, __global const float *restrict inv, const long inv_at,
                        __global const float *restrict dy, const long dy_at, __global float *restrict parts,
                        const long parts_at, __global float *restrict dw, const long dw_at,
                        __global float *restrict db, const long db_at, const int rows, const int batch,
                        const int channels, const int inner, const int columns, const int pieces, const int piece,
                        const int groups, __local float *room)
{
    const int which = (int)get_group_id(0) % pieces, tiles = (channels + columns - 1) / columns;
    const int tile = (int)get_group_id(0) / pieces % tiles, row = (int)get_group_id(0) / pieces / tiles;
    const int own = tile * columns + (int)get_local_id(0) % columns, c = min(own, channels - 1);
    const int begin = which * piece, end = min(begin + piece, batch * inner);
    const int lanes = LANES(columns);
    const some centre = OWN(mean + mean_at + c), scale = OWN(inv + inv_at + c);
    some sum = 0.0f, along = 0.0f;
    x += x_at;
    dy += dy_at + (long)row * batch * channels * inner;
    EACH(const some d = load(dy + at, n); sum += d; along += d * ((load(x + at, n) - centre) * scale);)
    const some s = JOINED(sum), a = JOINED(along);
    if ((int)get_local_id(0) >= columns || own >= channels)
        return;
    parts += parts_at + (long)which * 2 * rows * channels;
    for (int l = 0; l < lanes; l++) {
        const int e = row * channels + c + l;
        parts[e] = LANE(s, l);
        parts[rows * channels + e] = LANE(a, l);
        if (pieces == 1 && dw)
            dw[dw_at + e] = LANE(a, l);
        if (pieces == 1 && db)
            db[db_at + e] = LANE(s, l);
    }
}

/* Pieces become the first of them. One work-item a row and channel. */
__kernel void grad_join(__global float *restrict parts, const long parts_at, __global float *restrict dw,
                        const long dw_at, __global float *restrict db, const long db_at, const int count,
                        const int pieces)
{
    const int e = (int)get_global_id(0);
    float s = 0.0f, a = 0.0f;
    if (e >= count)
        return;
    parts += parts_at;
    for (int i = 0; i < pieces; i++) {
        s += parts[(long)i * 2 * count + e];
        a += parts[(long)i * 2 * count + count + e];
    }
    parts[e] = s;
    parts[count + e] = a;
    if (dw)
        dw[dw_at + e] = a;
    if (db)
        db[db_at + e] = s;
}

/* dx = inv w (dy - level - slope xhat): the means of the sums, or 0 where sums is NULL: the statistics are constants.
   Work-items as for `apply`; each: batch channels inner; count: batch inner. */
__kernel void grad_apply(__global const float *restrict x, const long x_at, __global const float *restrict mean,
                         const long mean_at, __global const float *restrict inv, const long inv_at,
                         __global const float *restrict w, const long w_at, __global const float *restrict dy,
                         const long dy_at, __global const float *restrict sums, const long sums_at,
                         __global float *restrict dx, const long dx_at, const long items, const long each,
                         const int rows, const int channels, const int inner, const int run, const float count)
{
    const INDEX e = (INDEX)get_global_id(0) * (INDEX)run;
    if (get_global_id(0) >= items)
        return;
    const int row = (int)(e / (INDEX)each);
    x += x_at + e % (INDEX)each;
    dy += dy_at + e;
    dx += dx_at + e;
    mean += mean_at;
    inv += inv_at;
    w += w ? w_at : 0;
    sums += sums ? sums_at + row * channels : 0;
    const bool across = run > 1 && inner == 1;
    if (across) {
        for (int c = 0; c < run; c++) {
            const float level = sums ? sums[c] / count : 0.0f, slope = sums ? sums[rows * channels + c] / count : 0.0f;
            dx[c] = inv[c] * (w ? w[c] : 1.0f) * (dy[c] - level - slope * ((x[c] - mean[c]) * inv[c]));
        }
        return;
    }
    const int c = (int)(e / (INDEX)inner % (INDEX)channels);
    const float centre = mean[c], scale = inv[c], f = scale * (w ? w[c] : 1.0f);
    const float level = sums ? sums[c] / count : 0.0f, slope = sums ? sums[rows * channels + c] / count : 0.0f;
    for (int i = 0; i < run; i++)
        dx[i] = f * (dy[i] - level - slope * ((x[i] - centre) * scale));
}

/* ---- layer and group norm: lines of n = each inner elements; line l has weights l % groups each ... ---- */

/* The work-items of a group go over a line; on a CPU one does, by vectors. body sees `i` and `n`, as EACH. */
#ifdef MTL_CPU
#define ALONG(body)                                                                                                    \
    for (int i = 0; i < length; i += 8) {                                                                              \
        const int n = min(8, length - i);                                                                              \
        body                                                                                                           \
    }
#else
#define ALONG(body)                                                                                                    \
    for (int i = (int)get_local_id(0); i < length; i += (int)get_local_size(0)) {                                      \
        body                                                                                                           \
    }
#endif

/* A group a line; w and b may be NULL. */
__kernel void line_norm(__global const float *restrict x, const long x_at, __global const float *restrict w,
                        const long w_at, __global const float *restrict b, const long b_at,
                        __global float *restrict mean, const long mean_at, __global float *restrict inv,
                        const long inv_at, __global float *restrict y, const long y_at, const int groups,
                        const int each, const int inner, const float eps, __local float *room)
{
    const int length = each * inner, first = (int)(get_group_id(0) % groups) * each;
    const long line = get_group_id(0);
    some sum = 0.0f, squares = 0.0f;
    x += x_at + line * length;
    y += y_at + line * length;
    w += w ? w_at + first : 0;
    b += b ? b_at + first : 0;
    ALONG(sum += load(x + i, n);)
    const float centre = column_sum(total(sum), 1, room) / (float)length;
    ALONG(const some d = load(x + i, n) - centre; squares += ones(n) * d * d;)
    const float scale = 1.0f / sqrt(column_sum(total(squares), 1, room) / (float)length + eps);
    if (get_local_id(0) == 0) {
        mean[mean_at + line] = centre;
        inv[inv_at + line] = scale;
    }
    if (inner == 1) {
        for (int i = (int)get_local_id(0); i < length; i += (int)get_local_size(0))
            y[i] = (x[i] - centre) * scale * (w ? w[i] : 1.0f) + (b ? b[i] : 0.0f);
        return;
    }
    for (int i = (int)get_local_id(0); i < length; i += (int)get_local_size(0))
        y[i] = (x[i] - centre) * (scale * (w ? w[i / inner] : 1.0f)) + (b ? b[i / inner] : 0.0f);
}

/* dx = inv (g - mean of g - xhat mean of (g xhat)), g = dy w; a group a row and line. */
__kernel void line_grad(__global const float *restrict x, const long x_at, __global const float *restrict mean,
                        const long mean_at, __global const float *restrict inv, const long inv_at,
                        __global const float *restrict w, const long w_at, __global const float *restrict dy,
                        const long dy_at, __global float *restrict dx, const long dx_at, const long lines,
                        const int groups, const int each, const int inner, __local float *room)
{
    const int length = each * inner;
    const long line = get_group_id(0) % lines;
    const float centre = mean[mean_at + line], scale = inv[inv_at + line];
    float sum = 0.0f, along = 0.0f;
    x += x_at + line * length;
    dy += dy_at + get_group_id(0) * length;
    dx += dx_at + get_group_id(0) * length;
    w += w ? w_at + line % groups * each : 0;
    for (int i = (int)get_local_id(0); i < length; i += (int)get_local_size(0)) {
        const float g = dy[i] * (w ? w[inner == 1 ? i : i / inner] : 1.0f);
        sum += g;
        along += g * ((x[i] - centre) * scale);
    }
    sum = column_sum(sum, 1, room) / (float)length;
    along = column_sum(along, 1, room) / (float)length;
    for (int i = (int)get_local_id(0); i < length; i += (int)get_local_size(0)) {
        const float g = dy[i] * (w ? w[inner == 1 ? i : i / inner] : 1.0f);
        dx[i] = scale * (g - sum - along * ((x[i] - centre) * scale));
    }
}

/* As grad_sums, with channels = groups each, and statistics of each line. */
__kernel void line_sums(__global const float *restrict x, const long x_at, __global const float *restrict mean,
                        const long mean_at, __global const float *restrict inv, const long inv_at,
                        __global const float *restrict dy, const long dy_at, __global float *restrict parts,
                        const long parts_at, __global float *restrict dw, const long dw_at,
                        __global float *restrict db, const long db_at, const int rows, const int batch,
                        const int channels, const int inner, const int columns, const int pieces, const int piece,
                        const int groups, __local float *room)
{
    const int which = (int)get_group_id(0) % pieces, tiles = (channels + columns - 1) / columns;
    const int tile = (int)get_group_id(0) / pieces % tiles, row = (int)get_group_id(0) / pieces / tiles;
    const int own = tile * columns + (int)get_local_id(0) % columns, c = min(own, channels - 1);
    const int begin = which * piece, end = min(begin + piece, batch * inner), group = c / (channels / groups);
    const int lanes = LANES(columns);
    some sum = 0.0f, along = 0.0f;
    x += x_at;
    mean += mean_at + group;
    inv += inv_at + group;
    dy += dy_at + (long)row * batch * channels * inner;
    EACH(const some d = load(dy + at, n); sum += d;
         along += d * ((load(x + at, n) - mean[(long)b_ * groups]) * inv[(long)b_ * groups]);)
    const some s = JOINED(sum), a = JOINED(along);
    if ((int)get_local_id(0) >= columns || own >= channels)
        return;
    parts += parts_at + (long)which * 2 * rows * channels;
    for (int l = 0; l < lanes; l++) {
        const int e = row * channels + c + l;
        parts[e] = LANE(s, l);
        parts[rows * channels + e] = LANE(a, l);
        if (pieces == 1 && dw)
            dw[dw_at + e] = LANE(a, l);
        if (pieces == 1 && db)
            db[db_at + e] = LANE(s, l);
    }
}
