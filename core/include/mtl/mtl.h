/* libmtl: everything. */
#ifndef MTL_MTL_H
#define MTL_MTL_H

#include "mtl/arena.h"
#include "mtl/bundle.h"
#include "mtl/device.h"
#include "mtl/io.h"
#include "mtl/loader.h"
#include "mtl/model.h"
#include "mtl/op.h"
#include "mtl/random.h"
#include "mtl/status.h"
#include "mtl/task.h"
#include "mtl/tensor.h"

#endif
