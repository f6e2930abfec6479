---@meta mtl
-- Written by scripts/manual: what LuaLS should know of mtl. Point its `workspace.library` here (docs/lua.md).

---@class mtl.tensor
---@field abs fun(self: mtl.tensor, ...): mtl.tensor
---@field adaptive_avg_pool2d fun(self: mtl.tensor, ...): mtl.tensor
---@field add fun(self: mtl.tensor, ...): mtl.tensor
---@field add_ fun(self: mtl.tensor, ...): mtl.tensor
---@field argmax fun(self: mtl.tensor, ...): mtl.tensor
---@field argmin fun(self: mtl.tensor, ...): mtl.tensor
---@field avg_pool2d fun(self: mtl.tensor, ...): mtl.tensor
---@field backward fun(self: mtl.tensor, ...): nil
---@field batch_norm fun(self: mtl.tensor, ...): mtl.tensor
---@field bce_logits fun(self: mtl.tensor, ...): mtl.tensor
---@field bincount fun(self: mtl.tensor, ...): mtl.tensor
---@field bytes fun(self: mtl.tensor, ...): string
---@field cast fun(self: mtl.tensor, ...): mtl.tensor
---@field cat fun(self: mtl.tensor, ...): mtl.tensor
---@field clamp fun(self: mtl.tensor, ...): mtl.tensor
---@field clone fun(self: mtl.tensor, ...): mtl.tensor
---@field conv2d fun(self: mtl.tensor, ...): mtl.tensor
---@field conv_transpose2d fun(self: mtl.tensor, ...): mtl.tensor
---@field copy_ fun(self: mtl.tensor, ...): mtl.tensor
---@field count fun(self: mtl.tensor, ...): integer
---@field cross_entropy fun(self: mtl.tensor, ...): mtl.tensor
---@field cumsum fun(self: mtl.tensor, ...): mtl.tensor
---@field detach fun(self: mtl.tensor, ...): mtl.tensor
---@field device fun(self: mtl.tensor, ...): string
---@field div fun(self: mtl.tensor, ...): mtl.tensor
---@field dropout fun(self: mtl.tensor, ...): mtl.tensor
---@field dtype fun(self: mtl.tensor, ...): string
---@field elu fun(self: mtl.tensor, ...): mtl.tensor
---@field embedding fun(self: mtl.tensor, ...): mtl.tensor
---@field eq fun(self: mtl.tensor, ...): mtl.tensor
---@field exp fun(self: mtl.tensor, ...): mtl.tensor
---@field expand fun(self: mtl.tensor, ...): mtl.tensor
---@field fill_ fun(self: mtl.tensor, ...): mtl.tensor
---@field gather fun(self: mtl.tensor, ...): mtl.tensor
---@field ge fun(self: mtl.tensor, ...): mtl.tensor
---@field gelu fun(self: mtl.tensor, ...): mtl.tensor
---@field grad fun(self: mtl.tensor, ...): mtl.tensor?
---@field group_norm fun(self: mtl.tensor, ...): mtl.tensor
---@field gt fun(self: mtl.tensor, ...): mtl.tensor
---@field host fun(self: mtl.tensor, ...): mtl.tensor
---@field isnan fun(self: mtl.tensor, ...): mtl.tensor
---@field item fun(self: mtl.tensor, ...): number
---@field layer_norm fun(self: mtl.tensor, ...): mtl.tensor
---@field le fun(self: mtl.tensor, ...): mtl.tensor
---@field leaky_relu fun(self: mtl.tensor, ...): mtl.tensor
---@field linear fun(self: mtl.tensor, ...): mtl.tensor
---@field log fun(self: mtl.tensor, ...): mtl.tensor
---@field log_softmax fun(self: mtl.tensor, ...): mtl.tensor
---@field lt fun(self: mtl.tensor, ...): mtl.tensor
---@field matmul fun(self: mtl.tensor, ...): mtl.tensor
---@field max fun(self: mtl.tensor, ...): mtl.tensor
---@field max_pool2d fun(self: mtl.tensor, ...): mtl.tensor
---@field maximum fun(self: mtl.tensor, ...): mtl.tensor
---@field mean fun(self: mtl.tensor, ...): mtl.tensor
---@field min fun(self: mtl.tensor, ...): mtl.tensor
---@field minimum fun(self: mtl.tensor, ...): mtl.tensor
---@field mul fun(self: mtl.tensor, ...): mtl.tensor
---@field mul_ fun(self: mtl.tensor, ...): mtl.tensor
---@field ne fun(self: mtl.tensor, ...): mtl.tensor
---@field neg fun(self: mtl.tensor, ...): mtl.tensor
---@field one_hot fun(self: mtl.tensor, ...): mtl.tensor
---@field pad fun(self: mtl.tensor, ...): mtl.tensor
---@field permute fun(self: mtl.tensor, ...): mtl.tensor
---@field pow fun(self: mtl.tensor, ...): mtl.tensor
---@field prelu fun(self: mtl.tensor, ...): mtl.tensor
---@field rank fun(self: mtl.tensor, ...): integer
---@field relu fun(self: mtl.tensor, ...): mtl.tensor
---@field requires_grad fun(self: mtl.tensor, ...): mtl.tensor
---@field reshape fun(self: mtl.tensor, ...): mtl.tensor
---@field scatter_add fun(self: mtl.tensor, ...): mtl.tensor
---@field select fun(self: mtl.tensor, ...): mtl.tensor
---@field shape fun(self: mtl.tensor, ...): integer[]
---@field sigmoid fun(self: mtl.tensor, ...): mtl.tensor
---@field sign fun(self: mtl.tensor, ...): mtl.tensor
---@field silu fun(self: mtl.tensor, ...): mtl.tensor
---@field slice fun(self: mtl.tensor, ...): mtl.tensor
---@field softmax fun(self: mtl.tensor, ...): mtl.tensor
---@field softplus fun(self: mtl.tensor, ...): mtl.tensor
---@field sort fun(self: mtl.tensor, ...): mtl.tensor, mtl.tensor
---@field sqrt fun(self: mtl.tensor, ...): mtl.tensor
---@field square fun(self: mtl.tensor, ...): mtl.tensor
---@field stack fun(self: mtl.tensor, ...): mtl.tensor
---@field std fun(self: mtl.tensor, ...): mtl.tensor
---@field sub fun(self: mtl.tensor, ...): mtl.tensor
---@field sum fun(self: mtl.tensor, ...): mtl.tensor
---@field survey fun(self: mtl.tensor, ...): mtl.tensor
---@field take fun(self: mtl.tensor, ...): mtl.tensor
---@field tanh fun(self: mtl.tensor, ...): mtl.tensor
---@field to fun(self: mtl.tensor, ...): mtl.tensor
---@field topk fun(self: mtl.tensor, ...): mtl.tensor, mtl.tensor
---@field totable fun(self: mtl.tensor, ...): any
---@field transpose fun(self: mtl.tensor, ...): mtl.tensor
---@field upsample fun(self: mtl.tensor, ...): mtl.tensor
---@field var fun(self: mtl.tensor, ...): mtl.tensor
---@field where fun(self: mtl.tensor, ...): mtl.tensor
---@field zero_grad fun(self: mtl.tensor, ...): nil
---@field [integer] mtl.tensor
---@operator add(mtl.tensor|number): mtl.tensor
---@operator sub(mtl.tensor|number): mtl.tensor
---@operator mul(mtl.tensor|number): mtl.tensor
---@operator div(mtl.tensor|number): mtl.tensor
---@operator pow(mtl.tensor|number): mtl.tensor
---@operator unm: mtl.tensor
---@operator len: integer

---@class mtl.nn
---@field count fun(self: mtl.nn, ...): any
---@field eval fun(self: mtl.nn, ...): any
---@field freeze fun(self: mtl.nn, ...): any
---@field parameters fun(self: mtl.nn, ...): any
---@field train fun(self: mtl.nn, ...): any
---@field zero_grad fun(self: mtl.nn, ...): any
---@operator call(mtl.tensor): mtl.tensor

---@class mtl.loss
---@field compute fun(self: mtl.loss, ...): any
---@field new fun(self: mtl.loss, ...): any

---@class mtl.kpi
---@field merge fun(self: mtl.kpi, ...): any
---@field new fun(self: mtl.kpi, ...): any
---@field reset fun(self: mtl.kpi, ...): any
---@field update fun(self: mtl.kpi, ...): any
---@field value fun(self: mtl.kpi, ...): any

---@class mtl.metric
---@field merge fun(self: mtl.metric, ...): any
---@field new fun(self: mtl.metric, ...): any
---@field reset fun(self: mtl.metric, ...): any
---@field update fun(self: mtl.metric, ...): any
---@field value fun(self: mtl.metric, ...): any

---@class mtl.policy
---@field weights fun(self: mtl.policy, ...): any

---@class mtl.optim
---@field attach fun(self: mtl.optim, ...): any

---@class mtl.when
---@operator bor(mtl.when): mtl.when
---@operator band(mtl.when): mtl.when

---@class mtl.data

---@class mtl.transform

---@class mtl.schedule

---@class mtl.nn.family
local nn = {}

---@class mtl.nn.adaptive_avg_pool2d.options
---@field output_size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }

--- The mean of windows such that images [channels, height, width] get a given size.
---@param output_size? integer|integer[]|mtl.nn.adaptive_avg_pool2d.options # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.adaptive_avg_pool2d.options
---@return mtl.nn
function nn.adaptive_avg_pool2d(output_size, options) end

---@class mtl.nn.add.options

--- The sum of a graph's inputs, all of one shape.
---@param options? mtl.nn.add.options
---@return mtl.nn
function nn.add(options) end

---@class mtl.nn.avg_pool2d.options
---@field kernel_size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@field padding? integer|integer[] # zeros around the image, at most half of kernel_size; they count: a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # how far the window moves: a whole number of at least 1, or two: { height, width }

--- The mean of each window of images [channels, height, width].
---@param kernel_size? integer|integer[]|mtl.nn.avg_pool2d.options # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.avg_pool2d.options
---@return mtl.nn
function nn.avg_pool2d(kernel_size, options) end

---@class mtl.nn.batch_norm1d.options
---@field affine? boolean # whether there are weight and bias: true or false (true)
---@field eps? number # added to the variance: a number of at least 0 and at most 1 (1e-05)
---@field momentum? number # share of the batch in the running statistics: a number of at least 0 and at most 1 (0.1)
---@field num_features? integer # the first size of a sample: a whole number of at least 1

--- Batch normalization of samples [features] or [features, length]. In training by the batch's mean and variance,
--- afterwards, and where it is frozen, by the running ones. weight 1, bias 0.
---@param num_features? integer|mtl.nn.batch_norm1d.options # the first size of a sample: a whole number of at least 1
---@param options? mtl.nn.batch_norm1d.options
---@return mtl.nn
function nn.batch_norm1d(num_features, options) end

---@class mtl.nn.batch_norm2d.options
---@field affine? boolean # whether there are weight and bias: true or false (true)
---@field eps? number # added to the variance: a number of at least 0 and at most 1 (1e-05)
---@field momentum? number # share of the batch in the running statistics: a number of at least 0 and at most 1 (0.1)
---@field num_features? integer # channels: a whole number of at least 1

--- Batch normalization of images [channels, height, width], each channel over batch and places. In training by the batch's
--- mean and variance, afterwards, and where it is frozen, by the running ones. weight 1, bias 0.
---@param num_features? integer|mtl.nn.batch_norm2d.options # channels: a whole number of at least 1
---@param options? mtl.nn.batch_norm2d.options
---@return mtl.nn
function nn.batch_norm2d(num_features, options) end

---@class mtl.nn.concat.options
---@field [integer] mtl.nn

--- Layers side by side on the same input, joined along the first dimension of a sample. Without layers it joins the inputs
--- of an nn.graph.
---@param options? mtl.nn.concat.options
---@return mtl.nn
function nn.concat(options) end

---@class mtl.nn.conv2d.options
---@field bias? boolean # whether there is one: true or false (true)
---@field dilation? integer|integer[] # distance of the kernel's points: a whole number of at least 1, or two: { height, width } (1)
---@field groups? integer # so many groups of channels that do not see one another; it divides both widths: a whole number of at least 1 (1)
---@field in_channels? integer # channels of a sample: a whole number of at least 1
---@field kernel_size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@field out_channels? integer # channels that it gives: a whole number of at least 1
---@field padding? integer|integer[] # zeros around the image: a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # how far the kernel moves: a whole number of at least 1, or two: { height, width } (1)

--- Convolution of images [channels, height, width]. weight [out, in / groups, kernel height, kernel width], bias [out];
--- uniform in ±1/√n, n what the weight holds behind its first dimension, as in PyTorch.
---@param in_channels? integer|mtl.nn.conv2d.options # channels of a sample: a whole number of at least 1
---@param out_channels? integer|mtl.nn.conv2d.options # channels that it gives: a whole number of at least 1
---@param kernel_size? integer|integer[]|mtl.nn.conv2d.options # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.conv2d.options
---@return mtl.nn
function nn.conv2d(in_channels, out_channels, kernel_size, options) end

---@class mtl.nn.conv_transpose2d.options
---@field bias? boolean # whether there is one: true or false (true)
---@field dilation? integer|integer[] # distance of the kernel's points: a whole number of at least 1, or two: { height, width } (1)
---@field groups? integer # so many groups of channels that do not see one another; it divides both widths: a whole number of at least 1 (1)
---@field in_channels? integer # channels of a sample: a whole number of at least 1
---@field kernel_size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@field out_channels? integer # channels that it gives: a whole number of at least 1
---@field output_padding? integer|integer[] # rows and columns more at the end of the result: a whole number of at least 0, or two: { height, width } (0)
---@field padding? integer|integer[] # what is cut off around the result: a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # by how much the image grows: a whole number of at least 1, or two: { height, width } (1)

--- Transposed convolution of images [channels, height, width], which makes them larger. weight [in, out / groups, kernel
--- height, kernel width], bias [out]; uniform in ±1/√n, n what the weight holds behind its first dimension.
---@param in_channels? integer|mtl.nn.conv_transpose2d.options # channels of a sample: a whole number of at least 1
---@param out_channels? integer|mtl.nn.conv_transpose2d.options # channels that it gives: a whole number of at least 1
---@param kernel_size? integer|integer[]|mtl.nn.conv_transpose2d.options # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.conv_transpose2d.options
---@return mtl.nn
function nn.conv_transpose2d(in_channels, out_channels, kernel_size, options) end

---@class mtl.nn.dropout.options
---@field p? number # share that is dropped: a number of at least 0 and at most 1 (0.5)

--- In training, each element is 0 with probability p, and the rest larger by 1 / (1 - p); nothing outside of it. Its random
--- numbers are those of the run's seed, the layer's path and the number of the pass.
---@param p? number|mtl.nn.dropout.options # share that is dropped: a number of at least 0 and at most 1 (0.5)
---@param options? mtl.nn.dropout.options
---@return mtl.nn
function nn.dropout(p, options) end

---@class mtl.nn.elu.options
---@field alpha? number # it levels off at -alpha: a number of at least -1e+06 and at most 1e+06 (1)

--- A relu that levels off below 0.
---@param alpha? number|mtl.nn.elu.options # it levels off at -alpha: a number of at least -1e+06 and at most 1e+06 (1)
---@param options? mtl.nn.elu.options
---@return mtl.nn
function nn.elu(alpha, options) end

---@class mtl.nn.embedding.options
---@field embedding_dim? integer # numbers in a row: a whole number of at least 1
---@field num_embeddings? integer # how many indices there are: a whole number of at least 1
---@field padding_idx? integer # an index whose row holds zeros and learns nothing: a whole number of at least 0

--- A row of a learned table for each index of a sample, int32 from 0. weight [num_embeddings, embedding_dim], drawn from
--- N(0, 1).
---@param num_embeddings? integer|mtl.nn.embedding.options # how many indices there are: a whole number of at least 1
---@param embedding_dim? integer|mtl.nn.embedding.options # numbers in a row: a whole number of at least 1
---@param options? mtl.nn.embedding.options
---@return mtl.nn
function nn.embedding(num_embeddings, embedding_dim, options) end

---@class mtl.nn.flatten.options

--- All dimensions of a sample become one.
---@param options? mtl.nn.flatten.options
---@return mtl.nn
function nn.flatten(options) end

---@class mtl.nn.gelu.options
---@field tanh? boolean # true: the approximation 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))): true or false (false)

--- A smooth relu: x times the normal distribution's Φ(x).
---@param options? mtl.nn.gelu.options
---@return mtl.nn
function nn.gelu(options) end

---@class mtl.nn.graph.options
---@field inputs? string[] # names of the data's inputs that it reads: a list of texts ({ 'input' })
---@field nodes? table # a list of { "name", layer, from = }: a table
---@field outputs? table # by task the name of the node that gives its output: a table

--- A model of named nodes, for what is no trunk with heads: several inputs, tasks that branch off at different depths,
--- experts and gates. A recipe has it in place of `trunk`, and its tasks have no `head`. A node is { "name", layer, from =
--- "name" }: it reads the output of a node or of an input; without `from` that of the node before it (the first one: the
--- first input). `from = { "a", "b" }` gives several to the layers that join them: nn.concat {}, nn.add(), nn.mixture().
--- Each task has the output of one node. A parameter belongs to the tasks that it leads to, and is shared where that is
--- more than one.
---@param options? mtl.nn.graph.options
---@return mtl.nn
function nn.graph(options) end

---@class mtl.nn.group_norm.options
---@field affine? boolean # whether there are weight and bias: true or false (true)
---@field eps? number # added to the variance: a number of at least 0 and at most 1 (1e-05)
---@field num_channels? integer # the first size of a sample: a whole number of at least 1
---@field num_groups? integer # divides the channels: a whole number of at least 1

--- Normalization over the channels of each group, and all places, of samples [channels, ...]. The same in training and
--- outside of it. weight 1, bias 0.
---@param num_groups? integer|mtl.nn.group_norm.options # divides the channels: a whole number of at least 1
---@param num_channels? integer|mtl.nn.group_norm.options # the first size of a sample: a whole number of at least 1
---@param options? mtl.nn.group_norm.options
---@return mtl.nn
function nn.group_norm(num_groups, num_channels, options) end

---@class mtl.nn.gru.options
---@field bias? boolean # whether there are biases: true or false (true)
---@field bidirectional? boolean # true: a second one from the end; the output is twice as wide: true or false (false)
---@field dropout? number # between the layers: a number of at least 0 and at most 1 (0)
---@field hidden_size? integer # size of the state: a whole number of at least 1
---@field input_size? integer # features: a whole number of at least 1
---@field num_layers? integer # one above the other: a whole number of at least 1 (1)
---@field output? "sequence"|"last" # "sequence": of each step; "last": where each direction of the top layer ends (h_n): one of 'sequence', 'last' ('sequence')

--- Gated recurrent units over samples [length, features], from zeros. Parameters, and their names, are PyTorch's, uniform
--- in ±1/√hidden_size.
---@param input_size? integer|mtl.nn.gru.options # features: a whole number of at least 1
---@param hidden_size? integer|mtl.nn.gru.options # size of the state: a whole number of at least 1
---@param num_layers? integer|mtl.nn.gru.options # one above the other: a whole number of at least 1 (1)
---@param options? mtl.nn.gru.options
---@return mtl.nn
function nn.gru(input_size, hidden_size, num_layers, options) end

---@class mtl.nn.identity.options

--- Its input, as it is.
---@param options? mtl.nn.identity.options
---@return mtl.nn
function nn.identity(options) end

---@class mtl.nn.layer_norm.options
---@field bias? boolean # whether there is a bias beside the weight: true or false (true)
---@field elementwise_affine? boolean # whether there are weight and bias: true or false (true)
---@field eps? number # added to the variance: a number of at least 0 and at most 1 (1e-05)
---@field normalized_shape? integer # size of that dimension: a whole number of at least 1

--- Layer normalization over the last dimension of a sample. The same in training and outside of it. weight 1, bias 0.
---@param normalized_shape? integer|mtl.nn.layer_norm.options # size of that dimension: a whole number of at least 1
---@param options? mtl.nn.layer_norm.options
---@return mtl.nn
function nn.layer_norm(normalized_shape, options) end

---@class mtl.nn.leaky_relu.options
---@field negative_slope? number # slope below 0: a number of at least -1e+06 and at most 1e+06 (0.01)

--- A relu that lets a little through below 0.
---@param negative_slope? number|mtl.nn.leaky_relu.options # slope below 0: a number of at least -1e+06 and at most 1e+06 (0.01)
---@param options? mtl.nn.leaky_relu.options
---@return mtl.nn
function nn.leaky_relu(negative_slope, options) end

---@class mtl.nn.linear.options
---@field bias? boolean # whether there is one: true or false (true)
---@field in_features? integer # size of that dimension: a whole number of at least 1
---@field out_features? integer # size that it becomes: a whole number of at least 1

--- Sums of the features with learned weights: over the last dimension of a sample. weight [out, in], bias [out]; both
--- uniform in ±1/√in, as in PyTorch.
---@param in_features? integer|mtl.nn.linear.options # size of that dimension: a whole number of at least 1
---@param out_features? integer|mtl.nn.linear.options # size that it becomes: a whole number of at least 1
---@param options? mtl.nn.linear.options
---@return mtl.nn
function nn.linear(in_features, out_features, options) end

---@class mtl.nn.log_softmax.options

--- Logarithms of softmax, along the first dimension of a sample.
---@param options? mtl.nn.log_softmax.options
---@return mtl.nn
function nn.log_softmax(options) end

---@class mtl.nn.lstm.options
---@field bias? boolean # whether there are biases: true or false (true)
---@field bidirectional? boolean # true: a second one from the end; the output is twice as wide: true or false (false)
---@field dropout? number # between the layers: a number of at least 0 and at most 1 (0)
---@field hidden_size? integer # size of the state: a whole number of at least 1
---@field input_size? integer # features: a whole number of at least 1
---@field num_layers? integer # one above the other: a whole number of at least 1 (1)
---@field output? "sequence"|"last" # "sequence": of each step; "last": where each direction of the top layer ends (h_n): one of 'sequence', 'last' ('sequence')

--- Long short-term memory over samples [length, features], from zeros. Parameters, and their names, are PyTorch's, uniform
--- in ±1/√hidden_size.
---@param input_size? integer|mtl.nn.lstm.options # features: a whole number of at least 1
---@param hidden_size? integer|mtl.nn.lstm.options # size of the state: a whole number of at least 1
---@param num_layers? integer|mtl.nn.lstm.options # one above the other: a whole number of at least 1 (1)
---@param options? mtl.nn.lstm.options
---@return mtl.nn
function nn.lstm(input_size, hidden_size, num_layers, options) end

---@class mtl.nn.max_pool2d.options
---@field kernel_size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@field padding? integer|integer[] # around the image, at most half of kernel_size; it is never the largest: a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # how far the window moves: a whole number of at least 1, or two: { height, width }

--- The largest of each window of images [channels, height, width].
---@param kernel_size? integer|integer[]|mtl.nn.max_pool2d.options # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.max_pool2d.options
---@return mtl.nn
function nn.max_pool2d(kernel_size, options) end

---@class mtl.nn.mixture.options

--- The sum of experts' outputs, each times what a gate gives it (Ma et al., KDD 2018). It joins two inputs of an nn.graph:
--- weights [E], as a gate's softmax gives them, and the outputs of E experts joined along their first dimension, [E C,
--- ...]; it gives [C, ...].
---@param options? mtl.nn.mixture.options
---@return mtl.nn
function nn.mixture(options) end

---@class mtl.nn.multi_head_attention.options
---@field bias? boolean # whether there are biases: true or false (true)
---@field causal? boolean # true: no step sees a later one: true or false (false)
---@field dropout? number # of the attention weights: a number of at least 0 and at most 1 (0)
---@field embed_dim? integer # features: a whole number of at least 1
---@field num_heads? integer # divides the features: a whole number of at least 1

--- Self-attention over samples [length, features]. Parameters are named and drawn as in PyTorch.
---@param embed_dim? integer|mtl.nn.multi_head_attention.options # features: a whole number of at least 1
---@param num_heads? integer|mtl.nn.multi_head_attention.options # divides the features: a whole number of at least 1
---@param options? mtl.nn.multi_head_attention.options
---@return mtl.nn
function nn.multi_head_attention(embed_dim, num_heads, options) end

---@class mtl.nn.pad.options
---@field bottom? integer # rows: a whole number of at least 0 (0)
---@field left? integer # columns: a whole number of at least 0 (0)
---@field mode? "constant"|"reflect"|"replicate" # "reflect": mirrored at the border, which is not repeated; "replicate": the border's values: one of 'constant', 'reflect', 'replicate' ('constant')
---@field right? integer # columns: a whole number of at least 0 (0)
---@field top? integer # rows: a whole number of at least 0 (0)
---@field value? number # of a constant border: a number of at least -1e+30 and at most 1e+30 (0)

--- Rows and columns around images [channels, height, width].
---@param left? integer|mtl.nn.pad.options # columns: a whole number of at least 0 (0)
---@param right? integer|mtl.nn.pad.options # columns: a whole number of at least 0 (0)
---@param top? integer|mtl.nn.pad.options # rows: a whole number of at least 0 (0)
---@param bottom? integer|mtl.nn.pad.options # rows: a whole number of at least 0 (0)
---@param options? mtl.nn.pad.options
---@return mtl.nn
function nn.pad(left, right, top, bottom, options) end

---@class mtl.nn.position_embedding.options
---@field max_length? integer # places; a longer sample is an error: a whole number of at least 1

--- A learned row is added to each place of a sample [length, features]. weight [max_length, features], uniform in
--- ±1/√features.
---@param max_length? integer|mtl.nn.position_embedding.options # places; a longer sample is an error: a whole number of at least 1
---@param options? mtl.nn.position_embedding.options
---@return mtl.nn
function nn.position_embedding(max_length, options) end

---@class mtl.nn.prelu.options
---@field init? number # slope to start from: a number of at least -1e+06 and at most 1e+06 (0.25)
---@field num_parameters? integer # 1, or the channels: a whole number of at least 1 (1)

--- A relu with a learned slope below 0: one, or one a channel of samples [channels, ...].
---@param num_parameters? integer|mtl.nn.prelu.options # 1, or the channels: a whole number of at least 1 (1)
---@param options? mtl.nn.prelu.options
---@return mtl.nn
function nn.prelu(num_parameters, options) end

---@class mtl.nn.relu.options

--- Zero below 0.
---@param options? mtl.nn.relu.options
---@return mtl.nn
function nn.relu(options) end

---@class mtl.nn.residual.options
---@field [integer] mtl.nn

--- Layers whose result is added to their input, which has the same shape.
---@param options? mtl.nn.residual.options
---@return mtl.nn
function nn.residual(options) end

---@class mtl.nn.sequence_pool.options
---@field how? "mean"|"max"|"first"|"last" # the mean over the steps, the largest of each feature, the first or the last step: one of 'mean', 'max', 'first', 'last' ('mean')

--- One row of all rows of a sample [length, features].
---@param how? "mean"|"max"|"first"|"last"|mtl.nn.sequence_pool.options # the mean over the steps, the largest of each feature, the first or the last step: one of 'mean', 'max', 'first', 'last' ('mean')
---@param options? mtl.nn.sequence_pool.options
---@return mtl.nn
function nn.sequence_pool(how, options) end

---@class mtl.nn.sequential.options
---@field [integer] mtl.nn

--- Layers one after the other. A parameter is named by its place: trunk.0.weight.
---@param options? mtl.nn.sequential.options
---@return mtl.nn
function nn.sequential(options) end

---@class mtl.nn.sigmoid.options

--- Numbers between 0 and 1.
---@param options? mtl.nn.sigmoid.options
---@return mtl.nn
function nn.sigmoid(options) end

---@class mtl.nn.silu.options

--- A smooth relu, x times its sigmoid (also called swish).
---@param options? mtl.nn.silu.options
---@return mtl.nn
function nn.silu(options) end

---@class mtl.nn.softmax.options

--- Positive numbers with the sum 1, along the first dimension of a sample.
---@param options? mtl.nn.softmax.options
---@return mtl.nn
function nn.softmax(options) end

---@class mtl.nn.softplus.options
---@field beta? number # the larger, the nearer to relu: a number of at least 1e-06 and at most 1e+06 (1)

--- A smooth relu that is always above 0.
---@param beta? number|mtl.nn.softplus.options # the larger, the nearer to relu: a number of at least 1e-06 and at most 1e+06 (1)
---@param options? mtl.nn.softplus.options
---@return mtl.nn
function nn.softplus(beta, options) end

---@class mtl.nn.tanh.options

--- Numbers between -1 and 1.
---@param options? mtl.nn.tanh.options
---@return mtl.nn
function nn.tanh(options) end

---@class mtl.nn.transformer_encoder_layer.options
---@field activation? "relu"|"gelu" # between the two linear layers: one of 'relu', 'gelu' ('relu')
---@field causal? boolean # true: no step sees a later one: true or false (false)
---@field d_model? integer # features: a whole number of at least 1
---@field dim_feedforward? integer # width between the two linear layers: a whole number of at least 1 (2048)
---@field dropout? number # of attention weights, within and after each part: a number of at least 0 and at most 1 (0.1)
---@field layer_norm_eps? number # added to the variance: a number of at least 0 and at most 1 (1e-05)
---@field nhead? integer # heads; divides the features: a whole number of at least 1
---@field norm_first? boolean # true: trains more steadily when many are stacked: true or false (false)

--- Self-attention, then two linear layers at each step, each added to its input. Layer norm stands after the sum or
--- (norm_first) before the part. Parameters are named and drawn as in PyTorch.
---@param d_model? integer|mtl.nn.transformer_encoder_layer.options # features: a whole number of at least 1
---@param nhead? integer|mtl.nn.transformer_encoder_layer.options # heads; divides the features: a whole number of at least 1
---@param options? mtl.nn.transformer_encoder_layer.options
---@return mtl.nn
function nn.transformer_encoder_layer(d_model, nhead, options) end

---@class mtl.nn.upsample.options
---@field mode? "nearest"|"bilinear" # or "bilinear": one of 'nearest', 'bilinear' ('nearest')
---@field scale_factor? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }
---@field size? integer|integer[] # one number, or { height, width }: a whole number of at least 1, or two: { height, width }

--- Images [channels, height, width] made larger. Give one of scale_factor and size.
---@param options? mtl.nn.upsample.options
---@return mtl.nn
function nn.upsample(options) end

---@class mtl.loss.family
local loss = {}

---@class mtl.loss.adaptive_robust.options
---@field alpha? number # the shape; where it is learned, what to start from: a number (1)
---@field learn? boolean # true: one shape, within 0.001 and 1.999, and one scale are learned for the task. The loss is then the negative log-likelihood, which may be below 0: true or false (false)
---@field scale? number # the error about which targets begin to count as far off; where it is learned, what to start from: a number above 0 (1)

--- A general and adaptive robust loss (Barron, CVPR 2019). The smaller alpha, the less far-off targets count: 1 is
--- Charbonnier's smooth |e|, 0 Cauchy's, -2 Geman and McClure's.
---@param options? mtl.loss.adaptive_robust.options
---@return mtl.loss
function loss.adaptive_robust(options) end

---@class mtl.loss.binary_cross_entropy.options
---@field pos_weight? number # above 1 a missed yes costs more: the share of no over the share of yes balances them: a number above 0 (1)

--- Binary cross-entropy of logits. One output a question, target 0 or 1 (a probability is fine; NaN: no label), or one of
--- two classes.
---@param options? mtl.loss.binary_cross_entropy.options
---@return mtl.loss
function loss.binary_cross_entropy(options) end

---@class mtl.loss.class_balanced.options
---@field beta? number # 0: no weights; towards 1: inverse frequency. 1 / (1 - beta) is about how many examples of a class still add something: a number of at least 0 and below 1 (0.9999)
---@field counts? number[] # labels by class; default: those of the training labels (of what stays on disk, by a sample): a list of numbers of at least 0
---@field gamma? number # above 0: times (1 - p)^gamma, as the focal loss: a number of at least 0 (0)
---@field ignore? integer # a class without a label, beside -1: a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)

--- Class-balanced cross-entropy (Cui et al., CVPR 2019): each element weighs by the effective number of examples of its
--- class. A class that training never shows weighs as much as the rarest one.
---@param options? mtl.loss.class_balanced.options
---@return mtl.loss
function loss.class_balanced(options) end

---@class mtl.loss.cosine.options

--- Cosine loss: 1 - cos of the angle between prediction and target, from 0 (same direction) to 2. Vectors lie along
--- dimension 2: [batch, n] or [batch, n, height, width]. Their lengths do not matter. A vector whose target has a NaN or is
--- all 0 is left out. Its form is "absolute": that of directions in space (von Mises-Fisher).
---@param options? mtl.loss.cosine.options
---@return mtl.loss
function loss.cosine(options) end

---@class mtl.loss.cross_entropy.options
---@field ignore? integer # a class without a label, beside -1: a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)
---@field smoothing? number # mixes the target with the uniform distribution: 1 - s on the class, s / classes on all: a number of at least 0 and below 1 (0)
---@field weight? number[] # one number a class: the mean is weighted, as in PyTorch: a list of numbers of at least 0

--- Cross-entropy of class logits. pred [batch, classes, ...], target int32 [batch, ...]; -1 has no label.
---@param options? mtl.loss.cross_entropy.options
---@return mtl.loss
function loss.cross_entropy(options) end

---@class mtl.loss.custom.options
---@field compute_with? function # function(pred, target) returning a scalar tensor [, remains]: a function
---@field form? "classification"|"squared"|"absolute" # what uncertainty weighting takes it for, or "squared" or "absolute": one of 'classification', 'squared', 'absolute' ('classification')
---@field negative? boolean # true: it may be below 0; weightings that need positive losses then refuse it: true or false (false)

--- A loss of one's own: a function of a batch that returns a tensor of one number, and how many elements had a label. No
--- second result: the batch's rows; 0 leaves the task out of the step.
---@param compute_with? function|mtl.loss.custom.options # function(pred, target) returning a scalar tensor [, remains]: a function
---@param options? mtl.loss.custom.options
---@return mtl.loss
function loss.custom(compute_with, options) end

---@class mtl.loss.focal.options
---@field alpha? number|number[] # yes or no (one output, sigmoid): weight of yes, 1 - alpha of no. Several classes (softmax): a list of one weight a class; default: none: a number or a list of numbers, each of at least 0
---@field gamma? number # how much what is already right fades; 0: cross-entropy: a number of at least 0 (2)
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)

--- Focal loss (Lin et al., ICCV 2017): what is already right fades. It is smaller than a cross-entropy, so its learning
--- rate may be larger.
---@param options? mtl.loss.focal.options
---@return mtl.loss
function loss.focal(options) end

---@class mtl.loss.giou.options

--- Generalized IoU (Rezatofighi et al., CVPR 2019): 1 - IoU and the share of the box around both that neither covers, from
--- 0 (equal boxes) to 2 (far apart). Boxes are x1, y1, x2, y2 in the last dimension, [batch, 4] or [batch, n, 4]; opposite
--- corners in any order. A box with a NaN in its target is left out; boxes without an area give finite numbers.
---@param options? mtl.loss.giou.options
---@return mtl.loss
function loss.giou(options) end

---@class mtl.loss.huber.options
---@field delta? number # where near ends: a number above 0 (1)

--- Huber's loss: squared error near the target, absolute error far from it. Same scale as PyTorch's.
---@param options? mtl.loss.huber.options
---@return mtl.loss
function loss.huber(options) end

---@class mtl.loss.kl_div.options

--- Kullback-Leibler divergence of softmax(pred) from target probabilities. Classes lie along dimension 2; of [batch,
--- classes] it is PyTorch's "batchmean". A row with a NaN in its target is left out; one that does not sum to 1 is an
--- error.
---@param options? mtl.loss.kl_div.options
---@return mtl.loss
function loss.kl_div(options) end

---@class mtl.loss.l1.options

--- Mean absolute error.
---@param options? mtl.loss.l1.options
---@return mtl.loss
function loss.l1(options) end

---@class mtl.loss.mse.options

--- Mean squared error. A few far-off targets weigh heavily (see huber).
---@param options? mtl.loss.mse.options
---@return mtl.loss
function loss.mse(options) end

---@class mtl.loss.poisson.options

--- Poisson negative log-likelihood, the head giving the logarithm of the rate. Without the term log(y!), which no parameter
--- changes (PyTorch's poisson_nll_loss with log_input = true, full = false), so it may be below 0. Targets are at least 0.
---@param options? mtl.loss.poisson.options
---@return mtl.loss
function loss.poisson(options) end

---@class mtl.kpi.family
local kpi = {}

---@class mtl.kpi.accuracy.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Accuracy: the share of labelled elements whose class is the one with the highest logit (the first of equals). With one
--- output: yes where the logit is above 0.
---@param options? mtl.kpi.accuracy.options
---@return mtl.kpi
function kpi.accuracy(options) end

---@class mtl.kpi.angle_within.options
---@field softness? number # of the soft form, in degrees (default: a tenth of the tolerance): a number above 0
---@field tolerance? number # in degrees; papers on normals also give 22.5 and 30: a number above 0 and below 180 (11.25)

--- The share of vectors whose angle to the target is small: below `tolerance` degrees. Vectors lie along dimension 2:
--- [batch, n] or [batch, 3, height, width]. Their lengths do not matter. A vector whose target has a NaN or is all 0 is
--- left out.
---@param tolerance? number|mtl.kpi.angle_within.options # in degrees; papers on normals also give 22.5 and 30: a number above 0 and below 180 (11.25)
---@param options? mtl.kpi.angle_within.options
---@return mtl.kpi
function kpi.angle_within(tolerance, options) end

---@class mtl.kpi.average_precision.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number
---@field tau? number # of the soft form: how far apart two probabilities are to count as ordered: a number above 0 (0.01)

--- Average precision: precision, averaged over the steps in which recall grows. Equal scores are one step. One output: of
--- the answer yes; several classes (each against the rest) or several outputs: the mean over those that have a positive;
--- undefined where none has.
---@param options? mtl.kpi.average_precision.options
---@return mtl.kpi
function kpi.average_precision(options) end

---@class mtl.kpi.balanced_accuracy.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Balanced accuracy: the mean recall of the classes that occur among the targets. One output: no and yes are the two
--- classes. Undefined without labels.
---@param options? mtl.kpi.balanced_accuracy.options
---@return mtl.kpi
function kpi.balanced_accuracy(options) end

---@class mtl.kpi.box_iou.options

--- Mean intersection over union of boxes, each predicted box with its own target. Boxes are x1, y1, x2, y2 in the last
--- dimension; opposite corners in any order. A box with a NaN in its target is left out; without an area in either box it
--- is 0.
---@param options? mtl.kpi.box_iou.options
---@return mtl.kpi
function kpi.box_iou(options) end

---@class mtl.kpi.custom.options
---@field score? function # function(pred, target) returning score [, n]; the score is a number or a tensor of one: a function
---@field soft_score? function # function(pred, target) returning a scalar tensor, differentiable: the soft form: a function

--- A KPI of one's own: a function of a batch that gives a score in [0, 1], and over how many elements. No second result:
--- over its rows; nil for the score: undefined. The whole is the mean by n, exact for scores that are means.
---@param score? function|mtl.kpi.custom.options # function(pred, target) returning score [, n]; the score is a number or a tensor of one: a function
---@param options? mtl.kpi.custom.options
---@return mtl.kpi
function kpi.custom(score, options) end

---@class mtl.kpi.depth_within.options
---@field softness? number # of the soft form (default: a tenth of tolerance - 1): a number above 0
---@field tolerance? number # the paper's stricter and looser ones are 1.25^2 and 1.25^3: a number above 1 (1.25)

--- The share of pixels whose depth is near enough, as a ratio. Targets that are NaN, 0 or below are left out; a predicted
--- depth of 0 or below is wrong. It is kpi.within(tolerance, { by = "ratio" }) that knows what a missing depth is.
---@param tolerance? number|mtl.kpi.depth_within.options # the paper's stricter and looser ones are 1.25^2 and 1.25^3: a number above 1 (1.25)
---@param options? mtl.kpi.depth_within.options
---@return mtl.kpi
function kpi.depth_within(tolerance, options) end

---@class mtl.kpi.f1.options
---@field average? "macro"|"weighted"|"micro" # of several classes, the mean over those that occur among targets or predictions; "weighted": by their number of targets; "micro": of the sums over all: one of 'macro', 'weighted', 'micro' ('macro')
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- F1: the harmonic mean of precision and recall. With one output: of the answer yes (logit above 0). Undefined without
--- labels, and for yes or no without any yes among targets and predictions.
---@param options? mtl.kpi.f1.options
---@return mtl.kpi
function kpi.f1(options) end

---@class mtl.kpi.matthews.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Matthews' correlation coefficient (several classes: R_k, Gorodkin 2004), brought from [-1, 1] to [0, 1], so that
--- guessing is 0.5, not 0. Undefined where all targets are of one class; 0.5 where all predictions are. metric.matthews is
--- the coefficient itself.
---@param options? mtl.kpi.matthews.options
---@return mtl.kpi
function kpi.matthews(options) end

---@class mtl.kpi.mean_iou.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Mean intersection over union: the mean over the classes that occur among the targets, counted over all pixels (elements)
--- that were seen, not image by image. One output: no and yes are the two classes. Undefined without labels.
---@param options? mtl.kpi.mean_iou.options
---@return mtl.kpi
function kpi.mean_iou(options) end

---@class mtl.kpi.normalized.options
---@field baseline? number # the error of a simple guess, as the training mean: 1 - error / baseline, 0 where it is worse: a number above 0
---@field error? "absolute"|"squared"|"rmse" # the mean of |x - y|; "squared": its mean square; "rmse": the root of that: one of 'absolute', 'squared', 'rmse' ('absolute')
---@field scale? number # exp(-error / scale): a number above 0

--- An error made a score in [0, 1]. Give one of `baseline` and `scale`.
---@param options? mtl.kpi.normalized.options
---@return mtl.kpi
function kpi.normalized(options) end

---@class mtl.kpi.pixel_accuracy.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Pixel accuracy: the share of labelled pixels whose class is the one with the highest logit. It is kpi.accuracy over
--- logits [batch, classes, height, width], under the name that papers on dense prediction use, and refuses anything else.
---@param options? mtl.kpi.pixel_accuracy.options
---@return mtl.kpi
function kpi.pixel_accuracy(options) end

---@class mtl.kpi.r2.options
---@field variance? number # of the soft form (default: that of the training targets, which the trainer shows it; by hand the batch's): a number above 0

--- R squared: the share of the targets' variance that is explained, 0 where it is below. Over all labelled elements of the
--- task together. Undefined where the targets do not vary.
---@param options? mtl.kpi.r2.options
---@return mtl.kpi
function kpi.r2(options) end

---@class mtl.kpi.roc_auc.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number
---@field tau? number # of the soft form: how far apart two probabilities are to count as ordered: a number above 0 (0.01)

--- Area under the ROC curve: the share of pairs (positive, negative) that the scores put in order. A pair of equal scores
--- counts half. One output: of the answer yes; several classes (each against the rest) or several outputs: the mean over
--- those that have both kinds; undefined where none has.
---@param options? mtl.kpi.roc_auc.options
---@return mtl.kpi
function kpi.roc_auc(options) end

---@class mtl.kpi.top_k.options
---@field ignore? integer # a class without a label, beside -1: a whole number
---@field k? integer # how many: a whole number of at least 1 (5)

--- Top-k accuracy: the share of labelled elements whose true class is among the k highest logits. Of equal logits the lower
--- class comes first, so top_k(1) is accuracy.
---@param k? integer|mtl.kpi.top_k.options # how many: a whole number of at least 1 (5)
---@param options? mtl.kpi.top_k.options
---@return mtl.kpi
function kpi.top_k(k, options) end

---@class mtl.kpi.within.options
---@field by? "difference"|"relative"|"ratio" # "relative": to the size of the target; "ratio": for positive targets: one of 'difference', 'relative', 'ratio' ('difference')
---@field softness? number # of the soft form (default: a tenth of the tolerance; of its part above 1 for a ratio): a number above 0
---@field tolerance? number # what is near enough; above 1 for a ratio: a number above 0

--- The share of labelled elements that lie within a tolerance of the target.
---@param tolerance? number|mtl.kpi.within.options # what is near enough; above 1 for a ratio: a number above 0
---@param options? mtl.kpi.within.options
---@return mtl.kpi
function kpi.within(tolerance, options) end

---@class mtl.metric.family
local metric = {}

---@class mtl.metric.abs_error.options
---@field positive? boolean # true: targets of 0 or below are missing too, as unknown depths are: true or false (false)

--- Mean absolute error, in the target's units.
---@param options? mtl.metric.abs_error.options
---@return mtl.metric
function metric.abs_error(options) end

---@class mtl.metric.angle_mean.options

--- Mean angle in degrees between vectors, as of surface normals. Vectors lie along dimension 2: [batch, n] or [batch, 3,
--- height, width]. A vector whose target has a NaN or is all 0 is left out.
---@param options? mtl.metric.angle_mean.options
---@return mtl.metric
function metric.angle_mean(options) end

---@class mtl.metric.angle_median.options

--- Median angle in degrees between vectors (dimension 2), as of surface normals. Of an even number it is the mean of the
--- two in the middle. A vector whose target has a NaN or is all 0 is left out. Exact over all that was seen, so every angle
--- is kept: 4 bytes a pixel (654 images of 288 x 384: 290 MB), and no more than a batch's share again to find the median,
--- which is not sorted for but counted: 32 halvings of the bits of a float.
---@param options? mtl.metric.angle_median.options
---@return mtl.metric
function metric.angle_median(options) end

---@class mtl.metric.matthews.options
---@field ignore? integer # a class without a label, beside -1; of several classes only: a whole number

--- Matthews' correlation coefficient, in [-1, 1]; 0 is guessing. Several classes: R_k (Gorodkin 2004). Higher is better.
--- kpi.matthews is the same as a score in [0, 1].
---@param options? mtl.metric.matthews.options
---@return mtl.metric
function metric.matthews(options) end

---@class mtl.metric.rel_error.options
---@field positive? boolean # true: only over targets above 0 (depths): true or false (false)

--- Mean relative error, over the targets that are not 0.
---@param options? mtl.metric.rel_error.options
---@return mtl.metric
function metric.rel_error(options) end

---@class mtl.metric.rmse.options
---@field positive? boolean # true: targets of 0 or below are missing too (depths): true or false (false)

--- Root of the mean squared error, in the target's units; outliers weigh more than in abs_error.
---@param options? mtl.metric.rmse.options
---@return mtl.metric
function metric.rmse(options) end

---@class mtl.policy.family
local policy = {}

---@class mtl.policy.aligned_mtl.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field sum? boolean # true: w = B 1, the scale of a sum: true or false (false)

--- Aligned-MTL (Senushkin et al., CVPR 2023): the nearest gradients that are orthogonal and of one length, so that the
--- system's condition number is 1. Weights do not change when all gradients grow together; where G = 0, w = 1/T.
---@param options? mtl.policy.aligned_mtl.options
---@return mtl.policy
function policy.aligned_mtl(options) end

---@class mtl.policy.amtl.options
---@field f? number # the exponent: a number of at least 0 (2)
---@field m? number # margin: a task at its potential still has a weight: a number of at least 0 (0.05)
---@field mean? "geometric"|"arithmetic" # "arithmetic": the total is the sum of w L, and losses may be below 0: one of 'geometric', 'arithmetic' ('geometric')
---@field momentum? number # the share of the old value in the smoothed KPI (default: the recipe's kpi_momentum, 0.9): a number of at least 0 and below 1
---@field potential? number|table<string, number> # or by task: { left = 0.95, right = 0.9 } (others: 1): a number or a table of numbers by task name, each above 0 (1)

--- Achievement-based weights (Yun & Cho, ICCV 2023): a task weighs by what it still lacks of its potential, the KPI that it
--- reaches when trained alone. By default the total is the weighted geometric mean of the losses, so it is the losses'
--- ratio that counts, not their units. A task without any KPI yet counts as one at KPI 0.
---@param options? mtl.policy.amtl.options
---@return mtl.policy
function policy.amtl(options) end

---@class mtl.policy.cagrad.options
---@field c? number # 0: the mean gradient; at 1 and above near MGDA's directions: a number of at least 0 (0.5)
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field rescale? 0|1|2 # as in the paper; 1: d is divided by 1 + c^2; 2: by 1 + c: one of 0, 1, 2 (0)
---@field sum? boolean # true: d times T (the published code is rescale = 1, sum = true): true or false (false)

--- Conflict averse gradient descent (Liu et al., NeurIPS 2021): of all directions within c |g0| of the mean gradient g0,
--- the one that helps the worst task most.
---@param options? mtl.policy.cagrad.options
---@return mtl.policy
function policy.cagrad(options) end

---@class mtl.policy.config.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)

--- ConFIG (Liu, Chu & Thuerey 2024): a direction with the same cosine to every task's gradient, as long as the gradients'
--- projections on it together. It does not depend on the gradients' lengths. Gradients that are 0 are left out; where no
--- direction has equal cosines (opposed gradients) w = 0.
---@param options? mtl.policy.config.options
---@return mtl.policy
function policy.config(options) end

---@class mtl.policy.crmogm.options
---@field momentum? number # share of the old weights: a number of at least 0 and below 1 (0.9)
---@field [integer] mtl.policy

--- CR-MOGM (Zhou et al., NeurIPS 2022): smooths the weights of any other policy, policy.crmogm { policy.mgda() }, so that
--- noise of single batches does not throw them about. The heads and what is needed are those of the policy within; one that
--- learns its weights with the model, or works on rows or through the KPI, cannot be wrapped. What it clips with max_norm
--- stays clipped.
---@param options? mtl.policy.crmogm.options
---@return mtl.policy
function policy.crmogm(options) end

---@class mtl.policy.custom.options
---@field at? "shared"|"representation" # "representation": gradients at the tensor that all tasks read, ctx.representation: one of 'shared', 'representation' ('shared')
---@field f? function # the function; `ctx` has lists by position: tasks, losses, kpis, kpis_ema, and what it needs: a function
---@field heads? "weighted"|"unit" # "unit": each head has its own task's gradient, as it is: one of 'weighted', 'unit' ('weighted')
---@field needs? "loss"|"gram"|"slice_gram"|"rows" # "gram": ctx.gram, the Gramian of the task gradients, and the weights are those of the shared gradient; "slice_gram": ctx.slices, one for each layer; "rows": ctx.rows, a tensor of the gradients, which it may rewrite in place: one of 'loss', 'gram', 'slice_gram', 'rows' ('loss')

--- A policy of one's own: policy.custom(function(ctx, state) return weights end, { needs = "loss" }). Weights come back by
--- position or by task name: { 1, 0.5 } or { left = 1, right = 0.5 }; with needs = "slice_gram" a list of such lists, one
--- for each of ctx.slices. A second result, of the same form, are factors of the heads' gradients. `state` is a table that
--- is kept from step to step and in checkpoints (plain values and tensors). See policy/init.lua for ctx.
---@param f? function|mtl.policy.custom.options # the function; `ctx` has lists by position: tasks, losses, kpis, kpis_ema, and what it needs: a function
---@param options? mtl.policy.custom.options
---@return mtl.policy
function policy.custom(f, options) end

---@class mtl.policy.db_mtl.options
---@field beta? number # share of the old average: a number of at least 0 and below 1 (0.9)
---@field sigma? number # how fast it falls with the steps: a number of at least 0 (0)

--- DB-MTL (Lin et al., 2023): dual balancing, of the losses by their logarithms, so that units do not count, and of the
--- gradients by bringing their averages to the length of the longest. Heads get the gradient of their log loss. Keeps a
--- gradient for each task; one that becomes active begins at 0. A gradient that is 0 stays 0. A task that is alone in a
--- step (the others without labels) gets its own gradient as it is.
---@param options? mtl.policy.db_mtl.options
---@return mtl.policy
function policy.db_mtl(options) end

---@class mtl.policy.dualproj.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field pref? table<string, number> # by task: { left = 0.7, right = 0.3 } in place of 1/T (others: 1/T): a table of numbers by task name of at least 0

--- Projection on the dual cone (Lopez-Paz & Ranzato, NeurIPS 2017, there for continual learning): the direction that
--- conflicts with no task's gradient and is nearest to the mean gradient. It is the mean gradient where that conflicts with
--- no task. Unlike upgrad, the largest gradients decide where to.
---@param options? mtl.policy.dualproj.options
---@return mtl.policy
function policy.dualproj(options) end

---@class mtl.policy.dwa.options
---@field temperature? number # larger: nearer to 1: a number above 0 (2)

--- Dynamic weight average (Liu, Johns & Davison, CVPR 2019): a task whose loss falls more slowly than the others' weighs
--- more. In its first two epochs a task weighs 1, and the softmax is over the others. Losses must not be below 0; both
--- means carry 1e-8.
---@param options? mtl.policy.dwa.options
---@return mtl.policy
function policy.dwa(options) end

---@class mtl.policy.excess_mtl.options
---@field eta? number # how fast weights move: a number of at least 0 (0.01)
---@field every? integer # steps that weights are kept for; H moves in each: a whole number of at least 1 (1)

--- ExcessMTL (He et al., ICML 2024): weighs tasks by how far each is from its own optimum, so that label noise, which
--- nothing can mend, draws no weight. Keeps an array of a gradient's size for each task; one that becomes active begins at
--- weight 1. Its first step only records the risk that the later ones are relative to.
---@param options? mtl.policy.excess_mtl.options
---@return mtl.policy
function policy.excess_mtl(options) end

---@class mtl.policy.fairgrad.options
---@field a? number # above 0: a number above 0 (1)
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)

--- Alpha-fair resource allocation (Ban & Ji, ICML 2024): the gains of the tasks are alpha-fair. a = 1 is Nash-MTL before
--- its clip; larger a: nearer to equal gains. Heads are weighted. Solved as nash_mtl.
---@param options? mtl.policy.fairgrad.options
---@return mtl.policy
function policy.fairgrad(options) end

---@class mtl.policy.famo.options
---@field decay? number # L2 weight decay of ξ: forgets old steps: a number of at least 0 (0.001)
---@field lr? number # of ξ: a number above 0 (0.025)
---@field min? number|table<string, number> # or by task: { left = -1 }: the least that a loss can be. Losses that may be below 0 need one: a number or a table of numbers by task name

--- FAMO (Liu et al., NeurIPS 2023): all tasks improve at the same relative rate. What has improved more than the others in
--- a step weighs less from then on. The second forward pass, after the step, uses the batch statistics and the dropout
--- masks of the first and updates nothing.
---@param options? mtl.policy.famo.options
---@return mtl.policy
function policy.famo(options) end

---@class mtl.policy.fixed.options
---@field by_name? table<string, number> # each task's weight, under the task's own name: a table of numbers by task name of at least 0
---@field [string] any

--- Weights that people choose: policy.fixed { left = 1, right = 0.5 }. Every task of the stage needs one.
---@param options? mtl.policy.fixed.options
---@return mtl.policy
function policy.fixed(options) end

---@class mtl.policy.fmtl.options
---@field gamma? number # the exponent: a number of at least 0 (2)
---@field momentum? number # the share of the old value in the smoothed KPI (default: the recipe's kpi_momentum, 0.9): a number of at least 0 and below 1

--- Focal weights without the logarithm (FMTL, as Yun & Cho, ICCV 2023, compare it): gentler than focal, they do not explode
--- near KPI 0. A task without any KPI yet counts as one at KPI 0.
---@param options? mtl.policy.fmtl.options
---@return mtl.policy
function policy.fmtl(options) end

---@class mtl.policy.focal.options
---@field floor? number # k is taken within [floor, 1 - 1e-6], in the formula only: a number above 0 and below 1 (0.01)
---@field gamma? number|table<string, number> # or by task: { left = 2, right = 1 } (others: 2): a number or a table of numbers by task name, each of at least 0 (2)
---@field kpi_grad_max? number # of through_kpi: the slope is large at low k, so its size times the loss is at most this times the weight: a number of at least 0 (1)
---@field max_ratio? number # no weight is below the largest / max_ratio: a solved task keeps that much of a say: a number of at least 1
---@field momentum? number # the share of the old value (default: the recipe's kpi_momentum, 0.9): a number of at least 0 and below 1
---@field normalize? boolean # true: weights scaled to the sum T. Without it the total weight, and with it the step, shrinks as tasks are solved: under SGD, and under Adam for about 1,000 steps: true or false (false)
---@field through_kpi? boolean # true: the weights are of the smoothed soft KPI of the training batch, and the gradient goes through it. The old average and the normaliser are constants: true or false (false)
---@field warm? integer # steps at weight 1 for a task that has just become active: a whole number of at least 0 (0)

--- Focal weights of the KPI (Dynamic Task Prioritization, Guo et al., ECCV 2018): a task near KPI 0 dominates, a task near
--- 1 fades, one that falls behind takes over again. The trainer smooths: k = (1 - momentum) × new + momentum × old, the
--- first value as it stands. A task without any KPI yet weighs 1.
---@param options? mtl.policy.focal.options
---@return mtl.policy
function policy.focal(options) end

---@class mtl.policy.gls.options

--- Geometric loss strategy (Chennupati et al., CVPR workshops 2019): the total is the geometric mean of the losses. Scaling
--- a loss changes nothing but the length of the step. Losses must not be below 0; each carries 1e-8.
---@param options? mtl.policy.gls.options
---@return mtl.policy
function policy.gls(options) end

---@class mtl.policy.graddrop.options
---@field leak? number|table<string, number> # share of what does not pass that passes anyway; a number, or by task (others: 0): a number or a table of numbers by task name, each of at least 0 and at most 1 (0)

--- GradDrop (Chen et al., NeurIPS 2020): at each place of the representation x that all tasks read, gradients of one sign
--- only pass, drawn by the share of the positive ones. Random numbers are of the policy's own stream.
---@param options? mtl.policy.graddrop.options
---@return mtl.policy
function policy.graddrop(options) end

---@class mtl.policy.gradnorm.options
---@field alpha? number # 0: equal lengths; larger: slow tasks are pulled harder: a number of at least 0 (1.5)
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field libmtl? boolean # true: as LibMTL: gradients of all shared parameters, w = T softmax(v), v learned; a task weighs 1 in its first epoch, and L0 is the mean loss of that: true or false (false)
---@field lr? number # of w: a number above 0 (0.025)

--- GradNorm (Chen et al., ICML 2018): the weighted gradients get the lengths that the tasks' training rates ask for. The
--- weights of a step are those from before its own update. Losses must not be below 0; ratios carry 1e-8. A weight is kept
--- at 0 or above.
---@param options? mtl.policy.gradnorm.options
---@return mtl.policy
function policy.gradnorm(options) end

---@class mtl.policy.gradvac.options
---@field beta? number # share of the new cosine (LibMTL: 0.5): a number of at least 0 and at most 1 (0.01)
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field slices? "model"|"layer"|"matrix" # "layer" or "matrix": each has goals and weights of its own: one of 'model', 'layer', 'matrix' ('model')

--- Gradient vaccine (Wang et al., ICLR 2021): as PCGrad, with a goal for the cosine of each pair that follows what it has
--- been. Weights are T numbers, or with `slices` T for each slice. A goal starts anew when one of its two tasks becomes
--- active.
---@param options? mtl.policy.gradvac.options
---@return mtl.policy
function policy.gradvac(options) end

---@class mtl.policy.imtl.options
---@field every? integer # steps that imtl_g's weights are kept for: a whole number of at least 1 (1)
---@field lr? number # of s (default: the optimizer's): a number above 0

--- Impartial multi-task learning, both parts (Liu et al., ICLR 2021): imtl_l's numbers s bring the losses to one scale, and
--- imtl_g weighs the gradients of the scaled losses. Heads are weighted by the same. As imtl_g's direction does not depend
--- on lengths, s changes the shared step's size only. s does not see imtl_g's weights. Losses must not be below 0; no
--- weight decay on s.
---@param options? mtl.policy.imtl.options
---@return mtl.policy
function policy.imtl(options) end

---@class mtl.policy.imtl_g.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)

--- Impartial multi-task learning, the gradient part (Liu et al., ICLR 2021): the direction has the same projection on every
--- task's unit gradient. It does not depend on the lengths of the gradients (where they are independent). Weights may be
--- negative; they are 1/T where the sum of v is 0. Heads are weighted too.
---@param options? mtl.policy.imtl_g.options
---@return mtl.policy
function policy.imtl_g(options) end

---@class mtl.policy.imtl_l.options
---@field lr? number # of s (default: the optimizer's): a number above 0

--- Impartial multi-task learning, the loss part (Liu et al., ICLR 2021): a number s a task is learned with the model, so
--- that all scaled losses e^s L become alike, whatever their units. Losses must not be below 0. No weight decay on s.
---@param options? mtl.policy.imtl_l.options
---@return mtl.policy
function policy.imtl_l(options) end

---@class mtl.policy.mgda.options
---@field at? "shared"|"representation" # "representation": MGDA-UB, gradients at the representation that the heads read: one of 'shared', 'representation' ('shared')
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field heads? "unit"|"weighted" # "weighted": a head's gradient times its task's weight (the authors' code): one of 'unit', 'weighted' ('unit')
---@field mix? "original"|"normed" # "normed": those divided gradients are also what is mixed (LibMTL's): one of 'original', 'normed' ('original')
---@field norm? "none"|"l2"|"loss"|"loss+" # "l2", "loss", "loss+": for the solve only, g is divided by |g|, L or L |g| (0 counts as 1): one of 'none', 'l2', 'loss', 'loss+' ('none')
---@field pool? "sum" # "sum": gradients at the representation are summed over the batch first (LibMTL's): one of 'sum'
---@field sum? boolean # true: weights of sum T: true or false (false)

--- Multiple gradient descent (Désidéri 2012; Sener & Koltun, NeurIPS 2018): the shortest combination of the gradients,
--- along which no task's loss rises; 0 where the tasks cannot all gain. It leans to the task with the smallest gradient.
---@param options? mtl.policy.mgda.options
---@return mtl.policy
function policy.mgda(options) end

---@class mtl.policy.moco.options
---@field beta? number # share of the new gradient in y: a number above 0 and at most 1 (0.5)
---@field beta_sigma? number # how fast it falls with the steps: a number of at least 0 (0.5)
---@field every? integer # steps that w is kept for; y moves in each: a whole number of at least 1 (1)
---@field gamma? number # size of the steps of w: a number of at least 0 (0.1)
---@field gamma_sigma? number # how fast it falls: a number of at least 0 (0.5)
---@field rho? number # pulls w to equal weights: a number of at least 0 (0)
---@field variant? "paper"|"code" # "code": the published code's, L g / |g| for g, and a softmax in place of Π: one of 'paper', 'code' ('paper')

--- MoCo (Fernando et al., ICLR 2023): the shortest combination of gradients that are averaged over steps, so that their
--- noise does not bias the weights. Keeps a gradient for each task; a task that becomes active begins at y = 0, w = 1/T. In
--- the formula k counts the task's steps for y, the policy's for w.
---@param options? mtl.policy.moco.options
---@return mtl.policy
function policy.moco(options) end

---@class mtl.policy.modo.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field gamma? number # size of the steps of w: a number of at least 0 (0.001)
---@field rho? number # pulls w to equal weights: a number of at least 0 (0.1)

--- MoDo (Chen et al., NeurIPS 2023): the shortest combination of the gradients, approached by projected gradient steps
--- whose slope is unbiased, for it is of two batches drawn apart; the step is made on a third. Each step draws three
--- batches, so an epoch has a third of the steps. Heads get their gradient on the third batch. A task that becomes active
--- begins at 1/T.
---@param options? mtl.policy.modo.options
---@return mtl.policy
function policy.modo(options) end

---@class mtl.policy.nash_mtl.options
---@field every? integer # steps that weights are kept for (the paper: 1 to 50): a whole number of at least 1 (1)
---@field max_norm? number # the norm that the mixed shared gradient is clipped to by the trainer; 0: off. Heads, times w, are not: a number of at least 0 (1)

--- Nash bargaining (Navon et al., ICML 2022): the tasks agree on the direction that maximises the product of their gains.
--- It does not change when a task's loss is multiplied by a number. A gradient whose square is below 1e-20 of the largest
--- is left out (w = 0).
---@param options? mtl.policy.nash_mtl.options
---@return mtl.policy
function policy.nash_mtl(options) end

---@class mtl.policy.pcgrad.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field mean? boolean # true: the mean instead of the sum: true or false (false)

--- Projecting conflicting gradients (Yu et al., NeurIPS 2020): each task's gradient, over the others in random order, loses
--- its part along every original gradient that it conflicts with; then all are added. Done on coefficients, so exactly,
--- from the Gramian alone. The orders come from a stream of the policy's own.
---@param options? mtl.policy.pcgrad.options
---@return mtl.policy
function policy.pcgrad(options) end

---@class mtl.policy.rlw.options
---@field dirichlet? boolean # true: w evenly distributed over all weights of sum 1 instead: true or false (false)

--- Random loss weighting (Lin et al., TMLR 2022): every step draws its weights anew. The numbers come from a random stream
--- of the policy's own.
---@param options? mtl.policy.rlw.options
---@return mtl.policy
function policy.rlw(options) end

---@class mtl.policy.scale_invariant.options

--- Scale-invariant loss: the total is the sum of the losses' logarithms. Scaling a loss changes nothing at all. Losses must
--- not be below 0.
---@param options? mtl.policy.scale_invariant.options
---@return mtl.policy
function policy.scale_invariant(options) end

---@class mtl.policy.sdmgrad.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field iterations? integer # how many there are: a whole number of at least 1 (20)
---@field lambda? number # 0: the direction of MGDA; large: the mean gradient: a number of at least 0 (0.3)
---@field lr? number # size of the inner steps: a number above 0 (5)

--- SDMGrad (Xiao et al., NeurIPS 2023): the direction that serves the worst task, held near the mean gradient, from
--- unbiased estimates. Each step draws three batches, so an epoch has a third of the steps; w is found on the first two by
--- projected gradient descent with momentum .5 (anew each time), the step is made on the third. Heads get their gradient on
--- the third batch. A task that becomes active begins at 1/T.
---@param options? mtl.policy.sdmgrad.options
---@return mtl.policy
function policy.sdmgrad(options) end

---@class mtl.policy.stch.options
---@field mu? number # smaller: nearer to the worst task alone: a number above 0 (1)
---@field pref? table<string, number> # importance by task: { left = 2 } (others: 1); only ratios count: a table of numbers by task name above 0
---@field warmup_epochs? integer # a task's first epochs, at weight 1 / L: a whole number of at least 1 (5)

--- Smooth Tchebycheff scalarization (Lin et al., ICML 2024), as LibMTL trains it: the task that has improved least
--- dominates. In a task's first epochs its part of the total is log L, and the last of them gives its nadir n, the mean
--- loss. Losses must not be below 0; each, and n, carries 1e-8.
---@param options? mtl.policy.stch.options
---@return mtl.policy
function policy.stch(options) end

---@class mtl.policy.uncertainty.options
---@field forms? table # by task: { depth = "squared" }: "classification", "squared" or "absolute" in place of the loss's own: a table
---@field lr? number # of s (default: the optimizer's): a number above 0

--- Homoscedastic uncertainty (Kendall, Gal & Cipolla, CVPR 2018): a number s a task is learned with the model, the
--- logarithm of its noise. Each task's loss says which formula holds: cross-entropies classification, mse and huber
--- squared, l1 absolute, a custom loss its `form`. No weight decay on s.
---@param options? mtl.policy.uncertainty.options
---@return mtl.policy
function policy.uncertainty(options) end

---@class mtl.policy.uniform.options
---@field mean? boolean # true: 1/T each: true or false (false)

--- Every task weighs the same: the gradient is the sum of the tasks' gradients.
---@param options? mtl.policy.uniform.options
---@return mtl.policy
function policy.uniform(options) end

---@class mtl.policy.upgrad.options
---@field every? integer # steps that weights are kept for: a whole number of at least 1 (1)
---@field pref? table<string, number> # by task: { left = 0.7, right = 0.3 } in place of 1/T (others: 1/T): a table of numbers by task name of at least 0

--- UPGrad (Quinton & Rey 2024): each task's gradient is projected on the cone of the directions that conflict with no task,
--- and the mean is taken. So no loss rises, to first order, and a task's part grows with its gradient. With two tasks it is
--- PCGrad's mean.
---@param options? mtl.policy.upgrad.options
---@return mtl.policy
function policy.upgrad(options) end

---@class mtl.optim.family
local optim = {}

---@class mtl.optim.adam.options
---@field betas? number[] # a list of numbers of at least 0 and below 1 ({ 0.9, 0.999 })
---@field eps? number # a number above 0 (1e-08)
---@field lr? number # a number of at least 0 (0.001)
---@field schedule? mtl.schedule # a schedule, as optim.cosine()
---@field weight_decay? number # a number of at least 0 (0)

---@param options? mtl.optim.adam.options
---@return mtl.optim
function optim.adam(options) end

---@class mtl.optim.adamw.options
---@field betas? number[] # a list of numbers of at least 0 and below 1 ({ 0.9, 0.999 })
---@field eps? number # a number above 0 (1e-08)
---@field lr? number # a number of at least 0 (0.001)
---@field schedule? mtl.schedule # a schedule, as optim.cosine()
---@field weight_decay? number # a number of at least 0 (0.01)

---@param options? mtl.optim.adamw.options
---@return mtl.optim
function optim.adamw(options) end

---@class mtl.optim.constant.options
---@field warmup? integer # a whole number of at least 0 (0)

---@param options? mtl.optim.constant.options
---@return mtl.schedule
function optim.constant(options) end

---@class mtl.optim.cosine.options
---@field final? number # a number of at least 0 and at most 1 (0)
---@field steps? integer # a whole number of at least 1
---@field warmup? integer # a whole number of at least 0 (0)

---@param options? mtl.optim.cosine.options
---@return mtl.schedule
function optim.cosine(options) end

---@class mtl.optim.sgd.options
---@field dampening? number # a number of at least 0 and at most 1 (0)
---@field lr? number # a number of at least 0 (0.001)
---@field momentum? number # a number of at least 0 and below 1 (0)
---@field nesterov? boolean # true or false (false)
---@field schedule? mtl.schedule # a schedule, as optim.cosine()
---@field weight_decay? number # a number of at least 0 (0)

---@param options? mtl.optim.sgd.options
---@return mtl.optim
function optim.sgd(options) end

---@class mtl.optim.step.options
---@field every? integer # a whole number of at least 1
---@field every_epochs? integer # a whole number of at least 1
---@field gamma? number # a number above 0 and at most 1 (0.1)
---@field warmup? integer # a whole number of at least 0 (0)

---@param options? mtl.optim.step.options
---@return mtl.schedule
function optim.step(options) end

---@class mtl.when.family
local when = {}

---@class mtl.when.both.options
---@field a? mtl.when # a condition, as when.epochs(10)
---@field b? mtl.when # a condition, as when.epochs(10)

---@param a? mtl.when|mtl.when.both.options # a condition, as when.epochs(10)
---@param b? mtl.when|mtl.when.both.options # a condition, as when.epochs(10)
---@param options? mtl.when.both.options
---@return mtl.when
function when.both(a, b, options) end

---@class mtl.when.either.options
---@field a? mtl.when # a condition, as when.epochs(10)
---@field b? mtl.when # a condition, as when.epochs(10)

---@param a? mtl.when|mtl.when.either.options # a condition, as when.epochs(10)
---@param b? mtl.when|mtl.when.either.options # a condition, as when.epochs(10)
---@param options? mtl.when.either.options
---@return mtl.when
function when.either(a, b, options) end

---@class mtl.when.epochs.options
---@field n? integer # a whole number of at least 1

---@param n? integer|mtl.when.epochs.options # a whole number of at least 1
---@param options? mtl.when.epochs.options
---@return mtl.when
function when.epochs(n, options) end

---@class mtl.when.kpi.options
---@field task? string # a text
---@field threshold? number # a number above 0 and at most 1

---@param task? string|mtl.when.kpi.options # a text
---@param threshold? number|mtl.when.kpi.options # a number above 0 and at most 1
---@param options? mtl.when.kpi.options
---@return mtl.when
function when.kpi(task, threshold, options) end

---@class mtl.when.plateau.options
---@field min_delta? number # a number of at least 0 (0)
---@field patience? integer # a whole number of at least 1
---@field task? string # a text

---@param options? mtl.when.plateau.options
---@return mtl.when
function when.plateau(options) end

---@class mtl.when.steps.options
---@field n? integer # a whole number of at least 1

---@param n? integer|mtl.when.steps.options # a whole number of at least 1
---@param options? mtl.when.steps.options
---@return mtl.when
function when.steps(n, options) end

---@class mtl.data.family
local data = {}

---@class mtl.data.csv.options
---@field batch? integer # a whole number of at least 1 (64)
---@field decimal? "."|"," # one of '.', ',' ('.')
---@field fields? table # a table
---@field inputs? table # a table
---@field missing? string # a text
---@field normalize? boolean # true or false (true)
---@field path? string|table # a text or a table
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field separator? string # a text (',')
---@field split? table # a table
---@field targets? table # a table

---@param options? mtl.data.csv.options
---@return mtl.data
function data.csv(options) end

---@class mtl.data.idx.options
---@field batch? integer # a whole number of at least 1 (64)
---@field classes? table # a table
---@field mean? number # a number (0)
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field split? table # a table ({ 1 })
---@field std? number # a number above 0 (1)
---@field test? table # a table
---@field train? table # a table
---@field transforms? table # a table
---@field valid? table # a table

---@param options? mtl.data.idx.options
---@return mtl.data
function data.idx(options) end

---@class mtl.data.images.options
---@field batch? integer # a whole number of at least 1 (64)
---@field decimal? "."|"," # one of '.', ',' ('.')
---@field dir? string # a text
---@field file? string # a text ('file')
---@field labels? string # a text
---@field mean? number|number[] # a number or a list of numbers
---@field memory? boolean # true or false
---@field missing? string # a text
---@field mode? "rgb"|"gray"|"rgba" # one of 'rgb', 'gray', 'rgba'
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field separator? string # a text (',')
---@field split? table # a table
---@field std? number|number[] # a number or a list of numbers, each above 0
---@field target? string # a text
---@field targets? table # a table
---@field transforms? table # a table

---@param options? mtl.data.images.options
---@return mtl.data
function data.images(options) end

---@class mtl.data.join.options
---@field batch? integer # a whole number of at least 1
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field [integer] mtl.data

---@param options? mtl.data.join.options
---@return mtl.data
function data.join(options) end

---@class mtl.data.npy.options
---@field batch? integer # a whole number of at least 1 (64)
---@field classes? table # a table
---@field dense? table # a table
---@field inputs? string|table # a text or a table
---@field memory? boolean # true or false
---@field normalize? boolean # true or false (false)
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field split? table # a table
---@field targets? table # a table
---@field transforms? table # a table

---@param options? mtl.data.npy.options
---@return mtl.data
function data.npy(options) end

---@class mtl.data.tensors.options
---@field batch? integer # a whole number of at least 1 (32)
---@field classes? table # a table
---@field dense? table # a table
---@field inputs? table|mtl.tensor # a table or a tensor
---@field sample? table # a table
---@field seed? integer # a whole number (1)
---@field split? table # a table ({ 0.8, 0.1, 0.1 })
---@field targets? table # a table
---@field transforms? table # a table

---@param options? mtl.data.tensors.options
---@return mtl.data
function data.tensors(options) end

---@class mtl.transform.family
local transform = {}

---@class mtl.transform.color_jitter.options
---@field brightness? number # a number of at least 0 (0)
---@field contrast? number # a number of at least 0 (0)
---@field saturation? number # a number of at least 0 (0)

---@param brightness? number|mtl.transform.color_jitter.options # a number of at least 0 (0)
---@param contrast? number|mtl.transform.color_jitter.options # a number of at least 0 (0)
---@param saturation? number|mtl.transform.color_jitter.options # a number of at least 0 (0)
---@param options? mtl.transform.color_jitter.options
---@return mtl.transform
function transform.color_jitter(brightness, contrast, saturation, options) end

---@class mtl.transform.normalize.options
---@field mean? number|number[] # a number or a list of numbers
---@field std? number|number[] # a number or a list of numbers, each above 0

---@param mean? number|number[]|mtl.transform.normalize.options # a number or a list of numbers
---@param std? number|number[]|mtl.transform.normalize.options # a number or a list of numbers, each above 0
---@param options? mtl.transform.normalize.options
---@return mtl.transform
function transform.normalize(mean, std, options) end

---@class mtl.transform.random_crop.options
---@field height? integer # a whole number of at least 1
---@field padding? integer # a whole number of at least 0 (0)
---@field width? integer # a whole number of at least 1

---@param height? integer|mtl.transform.random_crop.options # a whole number of at least 1
---@param width? integer|mtl.transform.random_crop.options # a whole number of at least 1
---@param options? mtl.transform.random_crop.options
---@return mtl.transform
function transform.random_crop(height, width, options) end

---@class mtl.transform.random_flip.options
---@field p? number # a number of at least 0 and at most 1 (0.5)
---@field vertical? boolean # true or false (false)

---@param p? number|mtl.transform.random_flip.options # a number of at least 0 and at most 1 (0.5)
---@param options? mtl.transform.random_flip.options
---@return mtl.transform
function transform.random_flip(p, options) end

---@class mtl.transform.random_scale.options
---@field high? number # a number above 0
---@field low? number # a number above 0

---@param low? number|mtl.transform.random_scale.options # a number above 0
---@param high? number|mtl.transform.random_scale.options # a number above 0
---@param options? mtl.transform.random_scale.options
---@return mtl.transform
function transform.random_scale(low, high, options) end

---@class mtl.transform.resize.options
---@field height? integer # a whole number of at least 1
---@field width? integer # a whole number of at least 1

---@param height? integer|mtl.transform.resize.options # a whole number of at least 1
---@param width? integer|mtl.transform.resize.options # a whole number of at least 1
---@param options? mtl.transform.resize.options
---@return mtl.transform
function transform.resize(height, width, options) end

---@class mtl.recipe.task
---@field data? mtl.data # data, as mtl.dataset("multimnist")
---@field head? mtl.nn # a layer, as nn.linear(nil, 10)
---@field kpi? mtl.kpi # a KPI, as kpi.accuracy()
---@field loss mtl.loss # a loss, as loss.mse()
---@field metrics? (mtl.metric|mtl.kpi)[] # a table
---@field name string # a text
---@field target? string # a text

---@class mtl.recipe.stage
---@field ends mtl.when # a condition, as when.epochs(10)
---@field freeze? string|string[] # a text or a list of texts
---@field max_epochs? integer # a whole number of at least 1
---@field name? string # a text
---@field optimizer? mtl.optim # an optimizer, as optim.adam()
---@field policy? mtl.policy # a policy, as policy.uniform()
---@field reset_optimizer? boolean # true or false (false)
---@field tasks? string[] # a list of texts

---@class mtl.recipe.keys
---@field accumulate? integer # a whole number of at least 1 (1)
---@field clip? number # a number above 0
---@field data? mtl.data # data, as mtl.dataset("multimnist")
---@field device? string # a text
---@field diagnose? integer # a whole number of at least 0 (0)
---@field ends? mtl.when # a condition, as when.epochs(10)
---@field flat? boolean # true or false (false)
---@field kpi_momentum? number # a number of at least 0 and below 1 (0.9)
---@field log_every? integer # a whole number of at least 1 (20)
---@field model? mtl.nn # a layer, as nn.linear(nil, 10)
---@field name? string # a text
---@field only? string # a text
---@field optimizer? mtl.optim # an optimizer, as optim.adam()
---@field policy? mtl.policy # a policy, as policy.uniform()
---@field seed? integer # a whole number of at least 0 (1)
---@field select? "last"|"valid" # one of 'last', 'valid' ('last')
---@field stages? mtl.recipe.stage[] # a table
---@field tasks mtl.recipe.task[] # a table
---@field threads? integer # a whole number of at least 1
---@field trunk? mtl.nn # a layer, as nn.linear(nil, 10)

---@class mtl.stages.incremental.options
---@field ends? mtl.when # a condition, as when.epochs(10)
---@field epochs? integer|table # a whole number of at least 1 or a table (1)
---@field first? mtl.policy # a policy, as policy.uniform()
---@field policy? mtl.policy # a policy, as policy.uniform()

---@class mtl.stages
---@field incremental fun(tasks: string[], options?: mtl.stages.incremental.options): mtl.recipe.stage[]

---@class mtl
---@field VERSION string
---@field abs fun(...): mtl.tensor
---@field adaptive_avg_pool2d fun(...): mtl.tensor
---@field add fun(...): mtl.tensor
---@field arange fun(...): mtl.tensor
---@field argmax fun(...): mtl.tensor
---@field argmin fun(...): mtl.tensor
---@field avg_pool2d fun(...): mtl.tensor
---@field batch_norm fun(...): mtl.tensor
---@field bce_logits fun(...): mtl.tensor
---@field bincount fun(...): mtl.tensor
---@field cast fun(...): mtl.tensor
---@field cat fun(...): mtl.tensor
---@field clamp fun(...): mtl.tensor
---@field conv2d fun(...): mtl.tensor
---@field conv_transpose2d fun(...): mtl.tensor
---@field cross_entropy fun(...): mtl.tensor
---@field cumsum fun(...): mtl.tensor
---@field dataset fun(name: "diamonds"|"multimnist"|string, options?: table): mtl.data
---@field div fun(...): mtl.tensor
---@field dropout fun(...): mtl.tensor
---@field elu fun(...): mtl.tensor
---@field embedding fun(...): mtl.tensor
---@field eq fun(...): mtl.tensor
---@field exp fun(...): mtl.tensor
---@field expand fun(...): mtl.tensor
---@field full fun(...): mtl.tensor
---@field gather fun(...): mtl.tensor
---@field ge fun(...): mtl.tensor
---@field gelu fun(...): mtl.tensor
---@field group_norm fun(...): mtl.tensor
---@field gt fun(...): mtl.tensor
---@field io table
---@field isnan fun(...): mtl.tensor
---@field layer_norm fun(...): mtl.tensor
---@field le fun(...): mtl.tensor
---@field leaky_relu fun(...): mtl.tensor
---@field linear fun(...): mtl.tensor
---@field load fun(...): any
---@field log fun(...): mtl.tensor
---@field log_softmax fun(...): mtl.tensor
---@field lt fun(...): mtl.tensor
---@field manual_seed fun(...): nil
---@field matmul fun(...): mtl.tensor
---@field max fun(...): mtl.tensor
---@field max_pool2d fun(...): mtl.tensor
---@field maximum fun(...): mtl.tensor
---@field mean fun(...): mtl.tensor
---@field min fun(...): mtl.tensor
---@field minimum fun(...): mtl.tensor
---@field mul fun(...): mtl.tensor
---@field ne fun(...): mtl.tensor
---@field neg fun(...): mtl.tensor
---@field no_grad fun(...): any
---@field one_hot fun(...): mtl.tensor
---@field ones fun(...): mtl.tensor
---@field pad fun(...): mtl.tensor
---@field permute fun(...): mtl.tensor
---@field pow fun(...): mtl.tensor
---@field prelu fun(...): mtl.tensor
---@field rand fun(...): mtl.tensor
---@field randn fun(...): mtl.tensor
---@field recipe fun(keys: mtl.recipe.keys): table
---@field relu fun(...): mtl.tensor
---@field reshape fun(...): mtl.tensor
---@field save fun(...): any
---@field scatter_add fun(...): mtl.tensor
---@field select fun(...): mtl.tensor
---@field sigmoid fun(...): mtl.tensor
---@field sign fun(...): mtl.tensor
---@field silu fun(...): mtl.tensor
---@field slice fun(...): mtl.tensor
---@field softmax fun(...): mtl.tensor
---@field softplus fun(...): mtl.tensor
---@field sort fun(...): mtl.tensor, mtl.tensor
---@field sqrt fun(...): mtl.tensor
---@field square fun(...): mtl.tensor
---@field stack fun(...): mtl.tensor
---@field stages mtl.stages
---@field std fun(...): mtl.tensor
---@field sub fun(...): mtl.tensor
---@field sum fun(...): mtl.tensor
---@field take fun(...): mtl.tensor
---@field tanh fun(...): mtl.tensor
---@field tensor fun(nested: any, dtype?: string): mtl.tensor
---@field topk fun(...): mtl.tensor, mtl.tensor
---@field transpose fun(...): mtl.tensor
---@field upsample fun(...): mtl.tensor
---@field var fun(...): mtl.tensor
---@field where fun(...): mtl.tensor
---@field zeros fun(...): mtl.tensor
local mtl = { nn = nn, loss = loss, kpi = kpi, metric = metric, policy = policy, optim = optim, when = when, data = data, transform = transform }

return mtl
