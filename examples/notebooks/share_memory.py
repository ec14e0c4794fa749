"""Passes arrays in and out without copies: numpy, buffers, and DLPack, by which libraries for tensors share memory."""
# %% a model that doubles
import array
import mmap

import fovea
import numpy as np

double = fovea.Session(b"""fovea-ir 1
module "double"
symbol n 0..1000000
func @main(%x: f32[n]) -> (%y) {
  %y = Add(%x, %x)
  return %y
}
""")


# %% a tensor of another library, which has only the two methods of DLPack (torch, jax, cupy and others have them)
class Tensor:
    def __init__(self, values):
        self.values = values
        self.asked = 0

    def __dlpack__(self, **options):
        self.asked += 1
        return self.values.__dlpack__()

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


tensor = Tensor(np.arange(4, dtype=np.float32))
y = double(tensor)
print(y, "asked", tensor.asked, "time")

# %% a result is given by DLPack without a copy (torch.from_dlpack(y) is the same): both names are one memory
other = np.from_dlpack(y)
print("one memory:", np.shares_memory(other, y))

# %% the buffers of Python: array, mmap, memoryview
print(double(memoryview(array.array("f", [1, 2, 3]))))
memory = mmap.mmap(-1, 4096)
shared = np.frombuffer(memory, np.float32, 3)
shared[:] = [4, 5, 6]
print(double(shared))

# %% a result stays valid when the session is closed
double.close()
print(y)

# %% what is not contiguous is copied first; another dtype is an error, and so is memory of a GPU
with fovea.Session(b"""fovea-ir 1
module "sum"
func @main(%x: f32[2, 3]) -> (%y) {
  %y = ReduceSum(%x) {keepdims = 0}
  return %y
}
""") as total:
    print(total(np.arange(6, dtype=np.float32).reshape(3, 2).T))
    try:
        total(np.arange(6).reshape(2, 3))
    except fovea.FoveaError as e:
        print(e)
