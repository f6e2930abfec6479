/* What leads into sequences of [length, features] and out of them: position_embedding adds a learned row to each place;
   sequence_pool makes one row of all. */
#include <inttypes.h>
#include <math.h>

#include "layer/layer.h"

static mtl_status check(mtl_layer *l, const mtl_shape *in)
{
    char text[MTL_SHAPE_TEXT];
    if (in->rank == 2 && in->size[0] > 0)
        return MTL_OK;
    return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample has shape %s, which should be [length, features]",
                          mtl_layer_shape_text(in, text));
}

/* ---- position_embedding: weight [max_length, features], uniform in +-1/sqrt(features) ---- */

enum { LENGTH };
static const mtl_option position_options[] = {{"max_length", MTL_OPTION_WIDTH, true, false, NAN, 0, 0}, {0}};

static mtl_status position_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    char text[MTL_SHAPE_TEXT];
    (void)n;
    MTL_TRY(check(l, in));
    int64_t length = l->given[LENGTH] ? (int64_t)l->number[LENGTH] : in->size[0];
    if (in->size[0] > length)
        return mtl_layer_fail(l, MTL_ERR_SHAPE, "a sample of shape %s is longer than max_length, %" PRId64,
                              mtl_layer_shape_text(in, text), length);
    double bound = in->size[1] > 0 ? 1 / sqrt((double)in->size[1]) : 0;
    *out = *in;
    return mtl_layer_slot(l, "weight", 2, (int64_t[]){length, in->size[1]}, -bound, bound);
}

static mtl_status position_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    mtl_tensor *rows = NULL;
    (void)pass, (void)n;
    MTL_TRY(mtl_slice(l->slots[0], 0, 0, mtl_tensor_shape(in[0])[1], &rows));
    mtl_status status = mtl_add(in[0], rows, out);
    mtl_tensor_release(rows);
    return status;
}

/** nn.position_embedding: A learned row is added to each place of a sample [length, features]. weight [max_length,
   features], uniform in ±1/√features.
     max_length  inferred  places; a longer sample is an error
   @formula y_t = x_t + W[t]
   @when attention should know where in the sequence a step stands
   @sample 12, 32 */
const mtl_layer_type mtl_layer_position_embedding = {
    .name = "position_embedding", .options = position_options, .shape = position_shape, .forward = position_forward};

/* ---- sequence_pool ---- */

enum { HOW };
enum { MEAN, MAX, FIRST, LAST };
static const char *const ways[] = {"mean", "max", "first", "last", NULL};
static const mtl_option pool_options[] = {{"how", MTL_OPTION_CHOICE, true, false, MEAN, 0, 0}, {0}};

static mtl_status pool_shape(mtl_layer *l, int n, const mtl_shape *in, mtl_shape *out)
{
    (void)n;
    MTL_TRY(check(l, in));
    *out = (mtl_shape){1, {in->size[1]}};
    return MTL_OK;
}

static mtl_status pool_forward(mtl_layer *l, const mtl_pass *pass, int n, mtl_tensor *const *in, mtl_tensor **out)
{
    (void)pass, (void)n;
    switch ((int)l->number[HOW]) {
    case MEAN:
        return mtl_mean(in[0], 1, false, out);
    case MAX:
        return mtl_amax(in[0], 1, false, out);
    case FIRST:
        return mtl_select(in[0], 1, 0, out);
    default:
        return mtl_select(in[0], 1, mtl_tensor_shape(in[0])[1] - 1, out);
    }
}

/** nn.sequence_pool: One row of all rows of a sample [length, features].
     how  the mean over the steps, the largest of each feature, the first or the last step
   @when a head wants one row of a sequence
   @sample 12, 32 */
const mtl_layer_type mtl_layer_sequence_pool = {
    .name = "sequence_pool", .options = pool_options, .shape = pool_shape, .forward = pool_forward, .choices = ways};
