--- Functions of mtl.core that people call as mtl.NAME, recipes too. The rest (files, memory, the machine) is mtl's
-- own affair.
local names = {}
for name in ([[VERSION tensor zeros ones full rand randn arange no_grad manual_seed
  neg abs exp log sqrt square sign isnan add sub mul div pow minimum maximum eq ne lt le gt ge where clamp cast
  relu leaky_relu elu gelu silu softplus prelu sigmoid tanh softmax log_softmax
  sum mean max min argmax argmin var std cumsum sort topk bincount
  reshape expand slice select transpose permute cat stack take gather scatter_add one_hot embedding
  matmul linear conv2d conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d upsample pad
  batch_norm layer_norm group_norm dropout cross_entropy bce_logits]]):gmatch "%S+" do
  names[name] = true
end
return names
