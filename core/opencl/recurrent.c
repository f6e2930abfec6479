/* Recurrent layers: for each step a product with the hidden state, and one kernel for the gates. */
#include "opencl/opencl.h"

static int64_t place(const mtl_recurrent *r, int64_t s) /* of step s in the sequence */
{
    return s < 0 ? -1 : r->reverse ? r->length - 1 - s : s;
}

/* Step t of a sequence [lines, L, width]: the lines' elements begin there, L width apart. */
static mtl_status at_step(const mtl_tensor *x, int64_t t, int64_t width, mtl_tensor **out)
{
    int64_t count = x->count - t * width;
    return mtl_tensor_alias(x, 1, &count, t * width, out);
}

mtl_status mtl_cl_recurrent(const mtl_recurrent *r, const mtl_tensor *x, const mtl_tensor *weight,
                            const mtl_tensor *bias, mtl_tensor *gates, mtl_tensor *cell, mtl_tensor *y)
{
    mtl_tensor *hidden = NULL, *last = NULL;
    int64_t n = r->hidden, sums = r->gru ? 3 * n : 4 * n;
    mtl_gemm g = {.trans_b = true, .m = r->batch, .n = sums, .k = n, .ldb = n, .ldc = sums, .batch = 1, .alpha = 1};
    g.lda = r->length * n;
    mtl_status status = MTL_OK;
    if (y->count == 0)
        return MTL_OK;
    MTL_TRY(mtl_tensor_like(y, MTL_F32, 2, (int64_t[]){r->batch, sums}, &hidden));
    for (int64_t s = 0; s < r->length; s++) {
        if (s > 0) {
            MTL_TRY_GOTO(at_step(y, place(r, s - 1), n, &last));
            MTL_TRY_GOTO(mtl_kernels(y)->gemm(&g, last, weight, NULL, hidden));
            mtl_tensor_release(last);
            last = NULL;
        }
        MTL_TRY_GOTO(MTL_CL_RUN_FLAT(y, "recurrent", "step_forward", "", r->batch * n, MTL_CL_BUF(x),
                                     MTL_CL_BUF(s > 0 ? hidden : NULL), MTL_CL_BUF(bias), MTL_CL_BUF(gates),
                                     MTL_CL_BUF(cell), MTL_CL_BUF(y), MTL_CL_I32(r->gru), MTL_CL_I32(r->batch),
                                     MTL_CL_I32(r->length), MTL_CL_I32(n), MTL_CL_I32(place(r, s)),
                                     MTL_CL_I32(place(r, s - 1))));
    }
done:
    mtl_tensor_release(hidden);
    mtl_tensor_release(last);
    return status;
}

mtl_status mtl_cl_recurrent_grad(const mtl_recurrent *r, int64_t rows, const mtl_tensor *weight,
                                 const mtl_tensor *gates, const mtl_tensor *cell, const mtl_tensor *y,
                                 const mtl_tensor *dy, mtl_tensor *dx, mtl_tensor *dsum)
{
    mtl_tensor *back = NULL, *carry = NULL, *own = NULL;
    int64_t n = r->hidden, sums = r->gru ? 3 * n : 4 * n, lines = rows * r->batch;
    mtl_gemm g = {.m = lines, .n = n, .k = sums, .lda = r->length * sums, .ldb = n, .ldc = n, .batch = 1, .alpha = 1};
    mtl_status status;
    if (y->count == 0)
        return MTL_OK;
    MTL_TRY_GOTO(mtl_tensor_like(y, MTL_F32, 2, (int64_t[]){lines, n}, &back));
    MTL_TRY_GOTO(mtl_tensor_like(y, MTL_F32, 2, (int64_t[]){lines, n}, &carry));
    for (int64_t s = r->length - 1; s >= 0; s--) {
        MTL_TRY_GOTO(MTL_CL_RUN_FLAT(y, "recurrent", "step_back", "", lines * n, MTL_CL_BUF(gates),
                                     MTL_CL_BUF(r->gru ? y : cell), MTL_CL_BUF(dy), MTL_CL_BUF(back), MTL_CL_BUF(carry),
                                     MTL_CL_BUF(dx), MTL_CL_BUF(dsum), MTL_CL_I32(r->gru), MTL_CL_I32(r->batch),
                                     MTL_CL_I32(lines), MTL_CL_I32(r->length), MTL_CL_I32(n), MTL_CL_I32(place(r, s)),
                                     MTL_CL_I32(place(r, s - 1)), MTL_CL_I32(s == r->length - 1)));
        if (s == 0)
            break;
        MTL_TRY_GOTO(at_step(dsum, place(r, s), sums, &own));
        MTL_TRY_GOTO(mtl_kernels(y)->gemm(&g, own, weight, NULL, back));
        mtl_tensor_release(own);
        own = NULL;
    }
done:
    mtl_tensor_release(back);
    mtl_tensor_release(carry);
    mtl_tensor_release(own);
    return status;
}
