/* One step of recurrent layers, after (forward) or before (back) the product with the hidden state; as
   core/cpu/recurrent.c. One work-item a line of the batch and a hidden unit. */

/* gates [B, L, 4 n]: i, f, g, o of the LSTM, r, z, the hidden part of n, n of the GRU. hidden [B, sums]: the product
   with the state before, or NULL at the first step; state: cells (LSTM) or y (GRU) [B, L, n]; before: the step before,
   or -1. */
__kernel void step_forward(__global const float *restrict x, const long x_at, __global const float *restrict hidden,
                           const long hidden_at, __global const float *restrict bias, const long bias_at,
                           __global float *restrict gates, const long gates_at, __global float *cell,
                           const long cell_at, __global float *y, const long y_at, const int gru, const int batch,
                           const int length, const int n, const int t, const int before)
{
    const int e = (int)get_global_id(0), b = e / n, j = e % n, sums = gru ? 3 * n : 4 * n;
    if (b >= batch)
        return;
    const long at = (long)b * length + t, last = (long)b * length + before;
    float sum[4];
    x += x_at + at * sums + j;
    gates += gates_at + at * 4 * n + j;
    y += y_at + j;
    for (int k = 0; k < (gru ? 3 : 4); k++) {
        sum[k] = bias ? bias[bias_at + k * n + j] : 0.0f;
        if (hidden)
            sum[k] += hidden[hidden_at + (long)b * sums + k * n + j];
        if (!gru || k < 2)
            sum[k] += x[k * n];
    }
    if (gru) {
        const float reset = mtl_sigmoidf(sum[0]), keep = mtl_sigmoidf(sum[1]);
        const float new = tanh(x[2 * n] + reset * sum[2]), old = before < 0 ? 0.0f : y[last * n];
        gates[0] = reset;
        gates[n] = keep;
        gates[2 * n] = sum[2];
        gates[3 * n] = new;
        y[at * n] = new + keep * (old - new);
        return;
    }
    const float in = mtl_sigmoidf(sum[0]), forget = mtl_sigmoidf(sum[1]), new = tanh(sum[2]);
    const float out = mtl_sigmoidf(sum[3]);
    cell += cell_at + j;
    const float now = forget * (before < 0 ? 0.0f : cell[last * n]) + in * new;
    gates[0] = in;
    gates[n] = forget;
    gates[2 * n] = new;
    gates[3 * n] = out;
    cell[at * n] = now;
    y[at * n] = out * tanh(now);
}

/* back [lines, n]: what the step after gave through its products, and carry [lines, n] past them; `last`: there is no
   step after, and both are taken as 0. lines = rows batch. */
__kernel void step_back(__global const float *restrict gates, const long gates_at, __global const float *restrict state,
                        const long state_at, __global const float *restrict dy, const long dy_at,
                        __global const float *restrict back, const long back_at, __global float *restrict carry,
                        const long carry_at, __global float *dx, const long dx_at, __global float *d, const long d_at,
                        const int gru, const int batch, const int lines, const int length, const int n, const int t,
                        const int before, const int last)
{
    const int e = (int)get_global_id(0), line = e / n, j = e % n, b = line % batch;
    if (line >= lines)
        return;
    const long at = (long)line * length + t, own = (long)b * length + t, sums = gru ? 3 * n : 4 * n;
    gates += gates_at + own * 4 * n + j;
    state += state_at + j;
    carry += carry_at + e;
    dx += dx_at + at * sums + j;
    d += d_at + at * sums + j;
    const float old = before < 0 ? 0.0f : state[((long)b * length + before) * n], past = last ? 0.0f : *carry;
    const float given = dy[dy_at + at * n + j] + (last ? 0.0f : back[back_at + e]) + (gru ? past : 0.0f);
    if (gru) {
        const float reset = gates[0], keep = gates[n], hidden = gates[2 * n], new = gates[3 * n];
        const float inside = given * (1.0f - keep) * (1.0f - new * new);
        dx[0] = d[0] = inside * hidden * reset * (1.0f - reset);
        dx[n] = d[n] = given * (old - new) * keep * (1.0f - keep);
        dx[2 * n] = inside;
        d[2 * n] = inside * reset;
        *carry = given * keep;
        return;
    }
    const float in = gates[0], forget = gates[n], new = gates[2 * n], out = gates[3 * n];
    const float size = tanh(state[own * n]), inside = past + given * out * (1.0f - size * size);
    d[0] = inside * new * in * (1.0f - in);
    d[n] = inside * old * forget * (1.0f - forget);
    d[2 * n] = inside * in * (1.0f - new * new);
    d[3 * n] = given * size * out * (1.0f - out);
    *carry = inside * forget;
}
