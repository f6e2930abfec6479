--- Files of tensors and pictures, for scripts and descriptors: mtl.io.read_png("a.png", "gray"). Every path goes
-- through the one check that confines recipes.
local core = require "mtl.core"
local path = require "mtl.path"

local io = {}

local function reader(read)
  return function(p, ...)
    return read(path.check(p, "read"), ...)
  end
end

local function writer(write)
  return function(p, ...)
    return write(path.check(p, "write"), ...)
  end
end

--- uint8 [channels, height, width]; mode "gray", "rgb", "rgba"; "index": int32 [height, width], palette indices or gray
-- values; "gray16": float32 [1, height, width], 0 to 65535 (0 to 255 of 8 bits). Without a mode: what is stored.
io.read_png = reader(core.png_read)
--- uint8 [channels, height, width], 1 to 4 channels; with a third argument 16: int32 [1, height, width], 0 to 65535, as
-- 16-bit gray.
io.write_png = writer(core.png_write)
--- An array of NumPy's: float32, int32 or uint8.
io.read_npy = reader(core.npy_read)
io.write_npy = writer(core.npy_write)
--- { name = tensor } of an archive of arrays.
io.read_npz = reader(core.npz_read)
--- Images and labels in the format of MNIST, plain or gzipped.
io.read_idx = reader(core.idx_read)

return io
