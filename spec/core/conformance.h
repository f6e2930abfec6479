/* The conformance test of one operator: outputs against a plain double-precision reference (1e-6 + 1e-5 relative,
   scaled by the length of the reduction), gradients with T = 1 and T = 3 cotangents against central differences of that
   reference (1e-4 relative). A case says how to call the operator and how to compute it plainly; everything else is
   here. */
#ifndef SPEC_CONFORMANCE_H
#define SPEC_CONFORMANCE_H

#include "mtl/mtl.h"

#define CASE_MAX_INPUTS 8

typedef struct {
    int rank;
    int64_t shape[MTL_MAX_RANK];
    double low, high; /* floats: uniform in between */
    int64_t classes;  /* > 0: int32 in 0 .. classes-1 instead; no gradient */
    bool missing;     /* with classes: every fifth is -1 */
    bool constant;    /* float, but without a gradient */
    double gap; /* > 0: values of this input are at least `gap` apart and from 0: for operators with kinks and ties */
} case_input;

typedef struct conformance_case {
    const char *name;
    int n_inputs;
    case_input input[CASE_MAX_INPUTS];
    double arg[8]; /* settings, handed to both functions */
    mtl_status (*apply)(mtl_context *ctx, const double *arg, mtl_tensor **in, mtl_tensor **out);
    /* in[i]: elements of input i as doubles (integers too); writes the `count` elements of the output */
    void (*reference)(const struct conformance_case *c, double *const *in, double *out, int64_t count);
    int64_t reduction; /* length of the longest sum; 0 counts as 1 */
    bool no_gradient;  /* forward only */
    double tolerance;  /* 0: 1e-4 relative for gradients */
} conformance_case;

int64_t case_count(const case_input *input); /* elements */

/* Runs the case on each device and with several seeds; false, with a line that says what differs, on the first
 * mismatch. */
bool conformance(const conformance_case *c);

#endif
