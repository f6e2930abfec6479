/* Recurrent kernels: all steps of a few lines of the batch are one thread's, so that nothing waits between the steps;
   the recurrent weights are packed once for all. */
#include "cpu/cpu.h"
#include "cpu/math.h"

enum { LINES = 8 }; /* of a block */

static int64_t blocks_of(int64_t lines)
{
    return (lines + LINES - 1) / LINES;
}

/* op(w), with n columns and k rows, packed for mtl_sgemm. */
static mtl_status pack(const mtl_tensor *w, bool turned, int64_t n, int64_t k, int64_t pitch, mtl_tensor **out)
{
    int64_t floats = mtl_sgemm_packed(n, k), panels = mtl_sgemm_panels(n);
    MTL_TRY(mtl_tensor_like(w, MTL_F32, 1, &floats, out));
    const float *from = mtl_f32(w);
    float *to = mtl_f32(*out);
    int threads = floats < MTL_CPU_GRAIN ? 1 : MTL_CPU_THREADS(w->ctx, panels);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < panels; i++)
        mtl_sgemm_pack(turned, n, k, from, pitch, i, to);
    return MTL_OK;
}

/* Place of step s in the sequence. */
static int64_t place(const mtl_recurrent *r, int64_t s)
{
    return r->reverse ? r->length - 1 - s : s;
}

/* gates: sums of i, f, g, o that become their values */
static void lstm_step(int64_t n, float *restrict gates, const float *restrict before, float *restrict cell,
                      float *restrict y)
{
    float *in = gates, *forget = in + n, *new = forget + n, *out = new + n;
    for (int64_t j = 0; j < n; j++) {
        in[j] = mtl_sigmoidf(in[j]);
        forget[j] = mtl_sigmoidf(forget[j]);
        new[j] = mtl_tanhf(new[j]);
        out[j] = mtl_sigmoidf(out[j]);
        cell[j] = forget[j] * before[j] + in[j] * new[j];
        y[j] = out[j] * mtl_tanhf(cell[j]);
    }
}

/* gates: sums of r, z and of n's hidden part; the fourth is n */
static void gru_step(int64_t n, const float *restrict x, float *restrict gates, const float *restrict before,
                     float *restrict y)
{
    float *reset = gates, *keep = reset + n, *hidden = keep + n, *new = hidden + n;
    for (int64_t j = 0; j < n; j++) {
        reset[j] = mtl_sigmoidf(reset[j]);
        keep[j] = mtl_sigmoidf(keep[j]);
        new[j] = mtl_tanhf(x[2 * n + j] + reset[j] * hidden[j]);
        y[j] = new[j] + keep[j] * (before[j] - new[j]);
    }
}

static mtl_status recurrent(const mtl_recurrent *r, const mtl_tensor *x, const mtl_tensor *weight,
                            const mtl_tensor *bias, mtl_tensor *gates, mtl_tensor *cell, mtl_tensor *y)
{
    mtl_tensor *packed = NULL, *zeros = NULL;
    mtl_status status;
    int64_t n = r->hidden, sums = r->gru ? 3 * n : 4 * n, length = r->length, blocks = blocks_of(r->batch);
    int64_t summed = r->gru ? 2 * n : 4 * n; /* of these, with the input's part */
    if (y->count == 0)
        return MTL_OK;
    MTL_TRY_GOTO(pack(weight, true, sums, n, n, &packed));
    MTL_TRY_GOTO(mtl_tensor_like(y, MTL_F32, 1, &sums, &zeros));
    memset(mtl_f32(zeros), 0, (size_t)sums * sizeof(float));
    const float *from = mtl_f32(x), *none = mtl_f32(zeros), *add = bias ? mtl_f32(bias) : none, *w = mtl_f32(packed);
    float *g = mtl_f32(gates), *c = r->gru ? NULL : mtl_f32(cell), *to = mtl_f32(y);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(y->ctx, blocks))
    for (int64_t block = 0; block < blocks; block++) {
        int64_t begin, end;
        mtl_block(r->batch, blocks, block, &begin, &end);
        for (int64_t s = 0; s < length; s++) {
            int64_t t = place(r, s), last = place(r, s - 1);
            for (int64_t b = begin; b < end; b++) {
                const float *line = from + (b * length + t) * sums;
                float *out = g + (b * length + t) * 4 * n;
                for (int64_t j = 0; j < summed; j++)
                    out[j] = line[j] + add[j];
                for (int64_t j = summed; j < sums; j++)
                    out[j] = add[j];
            }
            if (s > 0)
                mtl_sgemm(false, false, end - begin, sums, n, 1.0f, to + (begin * length + last) * n, length * n, NULL,
                          sums, w, 1.0f, NULL, g + (begin * length + t) * 4 * n, length * 4 * n);
            for (int64_t b = begin; b < end; b++) {
                int64_t at = b * length + t, before = (b * length + last) * n;
                if (r->gru)
                    gru_step(n, from + at * sums, g + at * 4 * n, s > 0 ? to + before : none, to + at * n);
                else
                    lstm_step(n, g + at * 4 * n, s > 0 ? c + before : none, c + at * n, to + at * n);
            }
        }
    }
done:
    mtl_tensor_release(packed);
    mtl_tensor_release(zeros);
    return status;
}

/* dh, dc: from the step after; dc becomes what the step before gets. d: of the sums of i, f, g, o. */
static void lstm_back(int64_t n, const float *restrict gates, const float *restrict before, const float *restrict cell,
                      const float *restrict dy, const float *restrict dh, float *restrict dc, float *restrict d)
{
    const float *in = gates, *forget = in + n, *new = forget + n, *out = new + n;
    for (int64_t j = 0; j < n; j++) {
        float size = mtl_tanhf(cell[j]), given = dy[j] + dh[j];
        float inside = dc[j] + given * out[j] * (1.0f - size * size);
        d[j] = inside * new[j] * in[j] * (1.0f - in[j]);
        d[n + j] = inside * before[j] * forget[j] * (1.0f - forget[j]);
        d[2 * n + j] = inside * in[j] * (1.0f - new[j] * new[j]);
        d[3 * n + j] = given * size * out[j] * (1.0f - out[j]);
        dc[j] = inside * forget[j];
    }
}

/* dh becomes what the step before gets past the products; dx, d: of the sums of r, z, n on either side. */
static void gru_back(int64_t n, const float *restrict gates, const float *restrict before, const float *restrict dy,
                     float *restrict dh, float *restrict dx, float *restrict d)
{
    const float *reset = gates, *keep = reset + n, *hidden = keep + n, *new = hidden + n;
    for (int64_t j = 0; j < n; j++) {
        float given = dy[j] + dh[j];
        float inside = given * (1.0f - keep[j]) * (1.0f - new[j] * new[j]);
        dx[j] = d[j] = inside * hidden[j] * reset[j] * (1.0f - reset[j]);
        dx[n + j] = d[n + j] = given * (before[j] - new[j]) * keep[j] * (1.0f - keep[j]);
        dx[2 * n + j] = inside;
        d[2 * n + j] = inside * reset[j];
        dh[j] = given * keep[j];
    }
}

static mtl_status recurrent_grad(const mtl_recurrent *r, int64_t rows, const mtl_tensor *weight,
                                 const mtl_tensor *gates, const mtl_tensor *cell, const mtl_tensor *y,
                                 const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dsum)
{
    mtl_tensor *packed = NULL, *room = NULL;
    mtl_status status;
    int64_t n = r->hidden, sums = r->gru ? 3 * n : 4 * n, length = r->length, lines = rows * r->batch;
    int64_t blocks = blocks_of(lines), floats = (2 * lines + 1) * n;
    if (y->count == 0)
        return MTL_OK;
    MTL_TRY_GOTO(pack(weight, false, n, sums, n, &packed));
    MTL_TRY_GOTO(mtl_tensor_like(y, MTL_F32, 1, &floats, &room));
    memset(mtl_f32(room), 0, (size_t)floats * sizeof(float));
    const float *g = mtl_f32(gates), *state = mtl_f32(r->gru ? y : cell), *given = mtl_f32(dy), *w = mtl_f32(packed);
    float *none = mtl_f32(room), *dh = none + n, *dc = dh + lines * n, *d_in = mtl_f32(dx), *d = mtl_f32(dsum);
#pragma omp parallel for schedule(static) num_threads(MTL_CPU_THREADS(y->ctx, blocks))
    for (int64_t block = 0; block < blocks; block++) {
        int64_t begin, end;
        mtl_block(lines, blocks, block, &begin, &end);
        for (int64_t s = length - 1; s >= 0; s--) {
            int64_t t = place(r, s), last = place(r, s - 1);
            for (int64_t line = begin; line < end; line++) {
                int64_t at = line * length + t, b = line % r->batch * length;
                const float *own = g + (b + t) * 4 * n, *before = s > 0 ? state + (b + last) * n : none;
                if (r->gru)
                    gru_back(n, own, before, given + at * n, dh + line * n, d_in + at * sums, d + at * sums);
                else
                    lstm_back(n, own, before, state + (b + t) * n, given + at * n, dh + line * n, dc + line * n,
                              d + at * sums);
            }
            if (s > 0)
                mtl_sgemm(false, false, end - begin, n, sums, 1.0f, d + (begin * length + t) * sums, length * sums,
                          NULL, n, w, r->gru ? 1.0f : 0.0f, NULL, dh + begin * n, n);
        }
    }
done:
    mtl_tensor_release(packed);
    mtl_tensor_release(room);
    return status;
}

void MTL_CPU(recurrent)(mtl_backend *table)
{
    table->recurrent = recurrent;
    table->recurrent_grad = recurrent_grad;
}
