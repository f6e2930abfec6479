/* A libOpenCL whose device is lost: after MTL_LOST_AFTER kernels every launch and wait fails with MTL_LOST_ERROR. All
   else is the real library's, which this one is linked with. For spec/device_failure_spec.lua. */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdlib.h>

static int kernels;

static cl_int lost(void)
{
    const char *after = getenv("MTL_LOST_AFTER"), *error = getenv("MTL_LOST_ERROR");
    return after && kernels > atoi(after) ? atoi(error) : CL_SUCCESS;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *from,
                              const size_t *global, const size_t *local, cl_uint n, const cl_event *wait,
                              cl_event *event)
{
    REAL(clEnqueueNDRangeKernel);
    kernels++;
    return lost() ? lost() : real(queue, kernel, dims, from, global, local, n, wait, event);
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking, size_t from, size_t size, void *to,
                           cl_uint n, const cl_event *wait, cl_event *event)
{
    REAL(clEnqueueReadBuffer);
    return lost() ? lost() : real(queue, buffer, blocking, from, size, to, n, wait, event);
}

cl_int clFinish(cl_command_queue queue)
{
    REAL(clFinish);
    return lost() ? lost() : real(queue);
}
