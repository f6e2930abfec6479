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
---@field output_size? integer|integer[] # a whole number of at least 1, or two: { height, width }

---@param output_size? integer|integer[]|mtl.nn.adaptive_avg_pool2d.options # a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.adaptive_avg_pool2d.options
---@return mtl.nn
function nn.adaptive_avg_pool2d(output_size, options) end

---@class mtl.nn.add.options

---@param options? mtl.nn.add.options
---@return mtl.nn
function nn.add(options) end

---@class mtl.nn.avg_pool2d.options
---@field kernel_size? integer|integer[] # a whole number of at least 1, or two: { height, width }
---@field padding? integer|integer[] # a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # a whole number of at least 1, or two: { height, width }

---@param kernel_size? integer|integer[]|mtl.nn.avg_pool2d.options # a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.avg_pool2d.options
---@return mtl.nn
function nn.avg_pool2d(kernel_size, options) end

---@class mtl.nn.batch_norm1d.options
---@field affine? boolean # true or false (true)
---@field eps? number # a number of at least 0 and at most 1 (1e-05)
---@field momentum? number # a number of at least 0 and at most 1 (0.1)
---@field num_features? integer # a whole number of at least 1

---@param num_features? integer|mtl.nn.batch_norm1d.options # a whole number of at least 1
---@param options? mtl.nn.batch_norm1d.options
---@return mtl.nn
function nn.batch_norm1d(num_features, options) end

---@class mtl.nn.batch_norm2d.options
---@field affine? boolean # true or false (true)
---@field eps? number # a number of at least 0 and at most 1 (1e-05)
---@field momentum? number # a number of at least 0 and at most 1 (0.1)
---@field num_features? integer # a whole number of at least 1

---@param num_features? integer|mtl.nn.batch_norm2d.options # a whole number of at least 1
---@param options? mtl.nn.batch_norm2d.options
---@return mtl.nn
function nn.batch_norm2d(num_features, options) end

---@class mtl.nn.concat.options
---@field [integer] mtl.nn

---@param options? mtl.nn.concat.options
---@return mtl.nn
function nn.concat(options) end

---@class mtl.nn.conv2d.options
---@field bias? boolean # true or false (true)
---@field dilation? integer|integer[] # a whole number of at least 1, or two: { height, width } (1)
---@field groups? integer # a whole number of at least 1 (1)
---@field in_channels? integer # a whole number of at least 1
---@field kernel_size? integer|integer[] # a whole number of at least 1, or two: { height, width }
---@field out_channels? integer # a whole number of at least 1
---@field padding? integer|integer[] # a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # a whole number of at least 1, or two: { height, width } (1)

---@param in_channels? integer|mtl.nn.conv2d.options # a whole number of at least 1
---@param out_channels? integer|mtl.nn.conv2d.options # a whole number of at least 1
---@param kernel_size? integer|integer[]|mtl.nn.conv2d.options # a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.conv2d.options
---@return mtl.nn
function nn.conv2d(in_channels, out_channels, kernel_size, options) end

---@class mtl.nn.conv_transpose2d.options
---@field bias? boolean # true or false (true)
---@field dilation? integer|integer[] # a whole number of at least 1, or two: { height, width } (1)
---@field groups? integer # a whole number of at least 1 (1)
---@field in_channels? integer # a whole number of at least 1
---@field kernel_size? integer|integer[] # a whole number of at least 1, or two: { height, width }
---@field out_channels? integer # a whole number of at least 1
---@field output_padding? integer|integer[] # a whole number of at least 0, or two: { height, width } (0)
---@field padding? integer|integer[] # a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # a whole number of at least 1, or two: { height, width } (1)

---@param in_channels? integer|mtl.nn.conv_transpose2d.options # a whole number of at least 1
---@param out_channels? integer|mtl.nn.conv_transpose2d.options # a whole number of at least 1
---@param kernel_size? integer|integer[]|mtl.nn.conv_transpose2d.options # a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.conv_transpose2d.options
---@return mtl.nn
function nn.conv_transpose2d(in_channels, out_channels, kernel_size, options) end

---@class mtl.nn.dropout.options
---@field p? number # a number of at least 0 and at most 1 (0.5)

---@param p? number|mtl.nn.dropout.options # a number of at least 0 and at most 1 (0.5)
---@param options? mtl.nn.dropout.options
---@return mtl.nn
function nn.dropout(p, options) end

---@class mtl.nn.elu.options
---@field alpha? number # a number of at least -1e+06 and at most 1e+06 (1)

---@param alpha? number|mtl.nn.elu.options # a number of at least -1e+06 and at most 1e+06 (1)
---@param options? mtl.nn.elu.options
---@return mtl.nn
function nn.elu(alpha, options) end

---@class mtl.nn.embedding.options
---@field embedding_dim? integer # a whole number of at least 1
---@field num_embeddings? integer # a whole number of at least 1
---@field padding_idx? integer # a whole number of at least 0

---@param num_embeddings? integer|mtl.nn.embedding.options # a whole number of at least 1
---@param embedding_dim? integer|mtl.nn.embedding.options # a whole number of at least 1
---@param options? mtl.nn.embedding.options
---@return mtl.nn
function nn.embedding(num_embeddings, embedding_dim, options) end

---@class mtl.nn.flatten.options

---@param options? mtl.nn.flatten.options
---@return mtl.nn
function nn.flatten(options) end

---@class mtl.nn.gelu.options
---@field tanh? boolean # true or false (false)

---@param options? mtl.nn.gelu.options
---@return mtl.nn
function nn.gelu(options) end

---@class mtl.nn.graph.options
---@field inputs? string[] # a list of texts ({ 'input' })
---@field nodes? table # a table
---@field outputs? table # a table

---@param options? mtl.nn.graph.options
---@return mtl.nn
function nn.graph(options) end

---@class mtl.nn.group_norm.options
---@field affine? boolean # true or false (true)
---@field eps? number # a number of at least 0 and at most 1 (1e-05)
---@field num_channels? integer # a whole number of at least 1
---@field num_groups? integer # a whole number of at least 1

---@param num_groups? integer|mtl.nn.group_norm.options # a whole number of at least 1
---@param num_channels? integer|mtl.nn.group_norm.options # a whole number of at least 1
---@param options? mtl.nn.group_norm.options
---@return mtl.nn
function nn.group_norm(num_groups, num_channels, options) end

---@class mtl.nn.gru.options
---@field bias? boolean # true or false (true)
---@field bidirectional? boolean # true or false (false)
---@field dropout? number # a number of at least 0 and at most 1 (0)
---@field hidden_size? integer # a whole number of at least 1
---@field input_size? integer # a whole number of at least 1
---@field num_layers? integer # a whole number of at least 1 (1)
---@field output? "sequence"|"last" # one of 'sequence', 'last' ('sequence')

---@param input_size? integer|mtl.nn.gru.options # a whole number of at least 1
---@param hidden_size? integer|mtl.nn.gru.options # a whole number of at least 1
---@param num_layers? integer|mtl.nn.gru.options # a whole number of at least 1 (1)
---@param options? mtl.nn.gru.options
---@return mtl.nn
function nn.gru(input_size, hidden_size, num_layers, options) end

---@class mtl.nn.identity.options

---@param options? mtl.nn.identity.options
---@return mtl.nn
function nn.identity(options) end

---@class mtl.nn.layer_norm.options
---@field bias? boolean # true or false (true)
---@field elementwise_affine? boolean # true or false (true)
---@field eps? number # a number of at least 0 and at most 1 (1e-05)
---@field normalized_shape? integer # a whole number of at least 1

---@param normalized_shape? integer|mtl.nn.layer_norm.options # a whole number of at least 1
---@param options? mtl.nn.layer_norm.options
---@return mtl.nn
function nn.layer_norm(normalized_shape, options) end

---@class mtl.nn.leaky_relu.options
---@field negative_slope? number # a number of at least -1e+06 and at most 1e+06 (0.01)

---@param negative_slope? number|mtl.nn.leaky_relu.options # a number of at least -1e+06 and at most 1e+06 (0.01)
---@param options? mtl.nn.leaky_relu.options
---@return mtl.nn
function nn.leaky_relu(negative_slope, options) end

---@class mtl.nn.linear.options
---@field bias? boolean # true or false (true)
---@field in_features? integer # a whole number of at least 1
---@field out_features? integer # a whole number of at least 1

---@param in_features? integer|mtl.nn.linear.options # a whole number of at least 1
---@param out_features? integer|mtl.nn.linear.options # a whole number of at least 1
---@param options? mtl.nn.linear.options
---@return mtl.nn
function nn.linear(in_features, out_features, options) end

---@class mtl.nn.log_softmax.options

---@param options? mtl.nn.log_softmax.options
---@return mtl.nn
function nn.log_softmax(options) end

---@class mtl.nn.lstm.options
---@field bias? boolean # true or false (true)
---@field bidirectional? boolean # true or false (false)
---@field dropout? number # a number of at least 0 and at most 1 (0)
---@field hidden_size? integer # a whole number of at least 1
---@field input_size? integer # a whole number of at least 1
---@field num_layers? integer # a whole number of at least 1 (1)
---@field output? "sequence"|"last" # one of 'sequence', 'last' ('sequence')

---@param input_size? integer|mtl.nn.lstm.options # a whole number of at least 1
---@param hidden_size? integer|mtl.nn.lstm.options # a whole number of at least 1
---@param num_layers? integer|mtl.nn.lstm.options # a whole number of at least 1 (1)
---@param options? mtl.nn.lstm.options
---@return mtl.nn
function nn.lstm(input_size, hidden_size, num_layers, options) end

---@class mtl.nn.max_pool2d.options
---@field kernel_size? integer|integer[] # a whole number of at least 1, or two: { height, width }
---@field padding? integer|integer[] # a whole number of at least 0, or two: { height, width } (0)
---@field stride? integer|integer[] # a whole number of at least 1, or two: { height, width }

---@param kernel_size? integer|integer[]|mtl.nn.max_pool2d.options # a whole number of at least 1, or two: { height, width }
---@param options? mtl.nn.max_pool2d.options
---@return mtl.nn
function nn.max_pool2d(kernel_size, options) end

---@class mtl.nn.mixture.options

---@param options? mtl.nn.mixture.options
---@return mtl.nn
function nn.mixture(options) end

---@class mtl.nn.multi_head_attention.options
---@field bias? boolean # true or false (true)
---@field causal? boolean # true or false (false)
---@field dropout? number # a number of at least 0 and at most 1 (0)
---@field embed_dim? integer # a whole number of at least 1
---@field num_heads? integer # a whole number of at least 1

---@param embed_dim? integer|mtl.nn.multi_head_attention.options # a whole number of at least 1
---@param num_heads? integer|mtl.nn.multi_head_attention.options # a whole number of at least 1
---@param options? mtl.nn.multi_head_attention.options
---@return mtl.nn
function nn.multi_head_attention(embed_dim, num_heads, options) end

---@class mtl.nn.pad.options
---@field bottom? integer # a whole number of at least 0 (0)
---@field left? integer # a whole number of at least 0 (0)
---@field mode? "constant"|"reflect"|"replicate" # one of 'constant', 'reflect', 'replicate' ('constant')
---@field right? integer # a whole number of at least 0 (0)
---@field top? integer # a whole number of at least 0 (0)
---@field value? number # a number of at least -1e+30 and at most 1e+30 (0)

---@param left? integer|mtl.nn.pad.options # a whole number of at least 0 (0)
---@param right? integer|mtl.nn.pad.options # a whole number of at least 0 (0)
---@param top? integer|mtl.nn.pad.options # a whole number of at least 0 (0)
---@param bottom? integer|mtl.nn.pad.options # a whole number of at least 0 (0)
---@param options? mtl.nn.pad.options
---@return mtl.nn
function nn.pad(left, right, top, bottom, options) end

---@class mtl.nn.position_embedding.options
---@field max_length? integer # a whole number of at least 1

---@param max_length? integer|mtl.nn.position_embedding.options # a whole number of at least 1
---@param options? mtl.nn.position_embedding.options
---@return mtl.nn
function nn.position_embedding(max_length, options) end

---@class mtl.nn.prelu.options
---@field init? number # a number of at least -1e+06 and at most 1e+06 (0.25)
---@field num_parameters? integer # a whole number of at least 1 (1)

---@param num_parameters? integer|mtl.nn.prelu.options # a whole number of at least 1 (1)
---@param options? mtl.nn.prelu.options
---@return mtl.nn
function nn.prelu(num_parameters, options) end

---@class mtl.nn.relu.options

---@param options? mtl.nn.relu.options
---@return mtl.nn
function nn.relu(options) end

---@class mtl.nn.residual.options
---@field [integer] mtl.nn

---@param options? mtl.nn.residual.options
---@return mtl.nn
function nn.residual(options) end

---@class mtl.nn.sequence_pool.options
---@field how? "mean"|"max"|"first"|"last" # one of 'mean', 'max', 'first', 'last' ('mean')

---@param how? "mean"|"max"|"first"|"last"|mtl.nn.sequence_pool.options # one of 'mean', 'max', 'first', 'last' ('mean')
---@param options? mtl.nn.sequence_pool.options
---@return mtl.nn
function nn.sequence_pool(how, options) end

---@class mtl.nn.sequential.options
---@field [integer] mtl.nn

---@param options? mtl.nn.sequential.options
---@return mtl.nn
function nn.sequential(options) end

---@class mtl.nn.sigmoid.options

---@param options? mtl.nn.sigmoid.options
---@return mtl.nn
function nn.sigmoid(options) end

---@class mtl.nn.silu.options

---@param options? mtl.nn.silu.options
---@return mtl.nn
function nn.silu(options) end

---@class mtl.nn.softmax.options

---@param options? mtl.nn.softmax.options
---@return mtl.nn
function nn.softmax(options) end

---@class mtl.nn.softplus.options
---@field beta? number # a number of at least 1e-06 and at most 1e+06 (1)

---@param beta? number|mtl.nn.softplus.options # a number of at least 1e-06 and at most 1e+06 (1)
---@param options? mtl.nn.softplus.options
---@return mtl.nn
function nn.softplus(beta, options) end

---@class mtl.nn.tanh.options

---@param options? mtl.nn.tanh.options
---@return mtl.nn
function nn.tanh(options) end

---@class mtl.nn.transformer_encoder_layer.options
---@field activation? "relu"|"gelu" # one of 'relu', 'gelu' ('relu')
---@field causal? boolean # true or false (false)
---@field d_model? integer # a whole number of at least 1
---@field dim_feedforward? integer # a whole number of at least 1 (2048)
---@field dropout? number # a number of at least 0 and at most 1 (0.1)
---@field layer_norm_eps? number # a number of at least 0 and at most 1 (1e-05)
---@field nhead? integer # a whole number of at least 1
---@field norm_first? boolean # true or false (false)

---@param d_model? integer|mtl.nn.transformer_encoder_layer.options # a whole number of at least 1
---@param nhead? integer|mtl.nn.transformer_encoder_layer.options # a whole number of at least 1
---@param options? mtl.nn.transformer_encoder_layer.options
---@return mtl.nn
function nn.transformer_encoder_layer(d_model, nhead, options) end

---@class mtl.nn.upsample.options
---@field mode? "nearest"|"bilinear" # one of 'nearest', 'bilinear' ('nearest')
---@field scale_factor? integer|integer[] # a whole number of at least 1, or two: { height, width }
---@field size? integer|integer[] # a whole number of at least 1, or two: { height, width }

---@param options? mtl.nn.upsample.options
---@return mtl.nn
function nn.upsample(options) end

---@class mtl.loss.family
local loss = {}

---@class mtl.loss.adaptive_robust.options
---@field alpha? number # a number (1)
---@field learn? boolean # true or false (false)
---@field scale? number # a number above 0 (1)

---@param options? mtl.loss.adaptive_robust.options
---@return mtl.loss
function loss.adaptive_robust(options) end

---@class mtl.loss.binary_cross_entropy.options
---@field pos_weight? number # a number above 0 (1)

---@param options? mtl.loss.binary_cross_entropy.options
---@return mtl.loss
function loss.binary_cross_entropy(options) end

---@class mtl.loss.class_balanced.options
---@field beta? number # a number of at least 0 and below 1 (0.9999)
---@field counts? number[] # a list of numbers of at least 0
---@field gamma? number # a number of at least 0 (0)
---@field ignore? integer # a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)

---@param options? mtl.loss.class_balanced.options
---@return mtl.loss
function loss.class_balanced(options) end

---@class mtl.loss.cosine.options

---@param options? mtl.loss.cosine.options
---@return mtl.loss
function loss.cosine(options) end

---@class mtl.loss.cross_entropy.options
---@field ignore? integer # a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)
---@field smoothing? number # a number of at least 0 and below 1 (0)
---@field weight? number[] # a list of numbers of at least 0

---@param options? mtl.loss.cross_entropy.options
---@return mtl.loss
function loss.cross_entropy(options) end

---@class mtl.loss.custom.options
---@field compute_with? function # a function
---@field form? "classification"|"squared"|"absolute" # one of 'classification', 'squared', 'absolute' ('classification')
---@field negative? boolean # true or false (false)

---@param compute_with? function|mtl.loss.custom.options # a function
---@param options? mtl.loss.custom.options
---@return mtl.loss
function loss.custom(compute_with, options) end

---@class mtl.loss.focal.options
---@field alpha? number|number[] # a number or a list of numbers, each of at least 0
---@field gamma? number # a number of at least 0 (2)
---@field ignore? integer # a whole number of at least -2.14748e+09 and below 2.14748e+09 (-1)

---@param options? mtl.loss.focal.options
---@return mtl.loss
function loss.focal(options) end

---@class mtl.loss.giou.options

---@param options? mtl.loss.giou.options
---@return mtl.loss
function loss.giou(options) end

---@class mtl.loss.huber.options
---@field delta? number # a number above 0 (1)

---@param options? mtl.loss.huber.options
---@return mtl.loss
function loss.huber(options) end

---@class mtl.loss.kl_div.options

---@param options? mtl.loss.kl_div.options
---@return mtl.loss
function loss.kl_div(options) end

---@class mtl.loss.l1.options

---@param options? mtl.loss.l1.options
---@return mtl.loss
function loss.l1(options) end

---@class mtl.loss.mse.options

---@param options? mtl.loss.mse.options
---@return mtl.loss
function loss.mse(options) end

---@class mtl.loss.poisson.options

---@param options? mtl.loss.poisson.options
---@return mtl.loss
function loss.poisson(options) end

---@class mtl.kpi.family
local kpi = {}

---@class mtl.kpi.accuracy.options
---@field ignore? integer # a whole number

---@param options? mtl.kpi.accuracy.options
---@return mtl.kpi
function kpi.accuracy(options) end

---@class mtl.kpi.angle_within.options
---@field softness? number # a number above 0
---@field tolerance? number # a number above 0 and below 180 (11.25)

---@param tolerance? number|mtl.kpi.angle_within.options # a number above 0 and below 180 (11.25)
---@param options? mtl.kpi.angle_within.options
---@return mtl.kpi
function kpi.angle_within(tolerance, options) end

---@class mtl.kpi.average_precision.options
---@field ignore? integer # a whole number
---@field tau? number # a number above 0 (0.01)

---@param options? mtl.kpi.average_precision.options
---@return mtl.kpi
function kpi.average_precision(options) end

---@class mtl.kpi.balanced_accuracy.options
---@field ignore? integer # a whole number

---@param options? mtl.kpi.balanced_accuracy.options
---@return mtl.kpi
function kpi.balanced_accuracy(options) end

---@class mtl.kpi.box_iou.options

---@param options? mtl.kpi.box_iou.options
---@return mtl.kpi
function kpi.box_iou(options) end

---@class mtl.kpi.custom.options
---@field score? function # a function
---@field soft_score? function # a function

---@param score? function|mtl.kpi.custom.options # a function
---@param options? mtl.kpi.custom.options
---@return mtl.kpi
function kpi.custom(score, options) end

---@class mtl.kpi.depth_within.options
---@field softness? number # a number above 0
---@field tolerance? number # a number above 1 (1.25)

---@param tolerance? number|mtl.kpi.depth_within.options # a number above 1 (1.25)
---@param options? mtl.kpi.depth_within.options
---@return mtl.kpi
function kpi.depth_within(tolerance, options) end

---@class mtl.kpi.f1.options
---@field average? "macro"|"weighted"|"micro" # one of 'macro', 'weighted', 'micro' ('macro')
---@field ignore? integer # a whole number

---@param options? mtl.kpi.f1.options
---@return mtl.kpi
function kpi.f1(options) end

---@class mtl.kpi.matthews.options
---@field ignore? integer # a whole number

---@param options? mtl.kpi.matthews.options
---@return mtl.kpi
function kpi.matthews(options) end

---@class mtl.kpi.mean_iou.options
---@field ignore? integer # a whole number

---@param options? mtl.kpi.mean_iou.options
---@return mtl.kpi
function kpi.mean_iou(options) end

---@class mtl.kpi.normalized.options
---@field baseline? number # a number above 0
---@field error? "absolute"|"squared"|"rmse" # one of 'absolute', 'squared', 'rmse' ('absolute')
---@field scale? number # a number above 0

---@param options? mtl.kpi.normalized.options
---@return mtl.kpi
function kpi.normalized(options) end

---@class mtl.kpi.pixel_accuracy.options
---@field ignore? integer # a whole number

---@param options? mtl.kpi.pixel_accuracy.options
---@return mtl.kpi
function kpi.pixel_accuracy(options) end

---@class mtl.kpi.r2.options
---@field variance? number # a number above 0

---@param options? mtl.kpi.r2.options
---@return mtl.kpi
function kpi.r2(options) end

---@class mtl.kpi.roc_auc.options
---@field ignore? integer # a whole number
---@field tau? number # a number above 0 (0.01)

---@param options? mtl.kpi.roc_auc.options
---@return mtl.kpi
function kpi.roc_auc(options) end

---@class mtl.kpi.top_k.options
---@field ignore? integer # a whole number
---@field k? integer # a whole number of at least 1 (5)

---@param k? integer|mtl.kpi.top_k.options # a whole number of at least 1 (5)
---@param options? mtl.kpi.top_k.options
---@return mtl.kpi
function kpi.top_k(k, options) end

---@class mtl.kpi.within.options
---@field by? "difference"|"relative"|"ratio" # one of 'difference', 'relative', 'ratio' ('difference')
---@field softness? number # a number above 0
---@field tolerance? number # a number above 0

---@param tolerance? number|mtl.kpi.within.options # a number above 0
---@param options? mtl.kpi.within.options
---@return mtl.kpi
function kpi.within(tolerance, options) end

---@class mtl.metric.family
local metric = {}

---@class mtl.metric.abs_error.options
---@field positive? boolean # true or false (false)

---@param options? mtl.metric.abs_error.options
---@return mtl.metric
function metric.abs_error(options) end

---@class mtl.metric.angle_mean.options

---@param options? mtl.metric.angle_mean.options
---@return mtl.metric
function metric.angle_mean(options) end

---@class mtl.metric.angle_median.options

---@param options? mtl.metric.angle_median.options
---@return mtl.metric
function metric.angle_median(options) end

---@class mtl.metric.matthews.options
---@field ignore? integer # a whole number

---@param options? mtl.metric.matthews.options
---@return mtl.metric
function metric.matthews(options) end

---@class mtl.metric.rel_error.options
---@field positive? boolean # true or false (false)

---@param options? mtl.metric.rel_error.options
---@return mtl.metric
function metric.rel_error(options) end

---@class mtl.metric.rmse.options
---@field positive? boolean # true or false (false)

---@param options? mtl.metric.rmse.options
---@return mtl.metric
function metric.rmse(options) end

---@class mtl.policy.family
local policy = {}

---@class mtl.policy.aligned_mtl.options
---@field every? integer # a whole number of at least 1 (1)
---@field sum? boolean # true or false (false)

---@param options? mtl.policy.aligned_mtl.options
---@return mtl.policy
function policy.aligned_mtl(options) end

---@class mtl.policy.amtl.options
---@field f? number # a number of at least 0 (2)
---@field m? number # a number of at least 0 (0.05)
---@field mean? "geometric"|"arithmetic" # one of 'geometric', 'arithmetic' ('geometric')
---@field momentum? number # a number of at least 0 and below 1
---@field potential? number|table<string, number> # a number or a table of numbers by task name, each above 0 (1)

---@param options? mtl.policy.amtl.options
---@return mtl.policy
function policy.amtl(options) end

---@class mtl.policy.cagrad.options
---@field c? number # a number of at least 0 (0.5)
---@field every? integer # a whole number of at least 1 (1)
---@field rescale? 0|1|2 # one of 0, 1, 2 (0)
---@field sum? boolean # true or false (false)

---@param options? mtl.policy.cagrad.options
---@return mtl.policy
function policy.cagrad(options) end

---@class mtl.policy.config.options
---@field every? integer # a whole number of at least 1 (1)

---@param options? mtl.policy.config.options
---@return mtl.policy
function policy.config(options) end

---@class mtl.policy.crmogm.options
---@field momentum? number # a number of at least 0 and below 1 (0.9)
---@field [integer] mtl.policy

---@param options? mtl.policy.crmogm.options
---@return mtl.policy
function policy.crmogm(options) end

---@class mtl.policy.custom.options
---@field at? "shared"|"representation" # one of 'shared', 'representation' ('shared')
---@field f? function # a function
---@field heads? "weighted"|"unit" # one of 'weighted', 'unit' ('weighted')
---@field needs? "loss"|"gram"|"slice_gram"|"rows" # one of 'loss', 'gram', 'slice_gram', 'rows' ('loss')

---@param f? function|mtl.policy.custom.options # a function
---@param options? mtl.policy.custom.options
---@return mtl.policy
function policy.custom(f, options) end

---@class mtl.policy.db_mtl.options
---@field beta? number # a number of at least 0 and below 1 (0.9)
---@field sigma? number # a number of at least 0 (0)

---@param options? mtl.policy.db_mtl.options
---@return mtl.policy
function policy.db_mtl(options) end

---@class mtl.policy.dualproj.options
---@field every? integer # a whole number of at least 1 (1)
---@field pref? table<string, number> # a table of numbers by task name of at least 0

---@param options? mtl.policy.dualproj.options
---@return mtl.policy
function policy.dualproj(options) end

---@class mtl.policy.dwa.options
---@field temperature? number # a number above 0 (2)

---@param options? mtl.policy.dwa.options
---@return mtl.policy
function policy.dwa(options) end

---@class mtl.policy.excess_mtl.options
---@field eta? number # a number of at least 0 (0.01)
---@field every? integer # a whole number of at least 1 (1)

---@param options? mtl.policy.excess_mtl.options
---@return mtl.policy
function policy.excess_mtl(options) end

---@class mtl.policy.fairgrad.options
---@field a? number # a number above 0 (1)
---@field every? integer # a whole number of at least 1 (1)

---@param options? mtl.policy.fairgrad.options
---@return mtl.policy
function policy.fairgrad(options) end

---@class mtl.policy.famo.options
---@field decay? number # a number of at least 0 (0.001)
---@field lr? number # a number above 0 (0.025)
---@field min? number|table<string, number> # a number or a table of numbers by task name

---@param options? mtl.policy.famo.options
---@return mtl.policy
function policy.famo(options) end

---@class mtl.policy.fixed.options
---@field by_name? table<string, number> # a table of numbers by task name of at least 0
---@field [string] any

---@param options? mtl.policy.fixed.options
---@return mtl.policy
function policy.fixed(options) end

---@class mtl.policy.fmtl.options
---@field gamma? number # a number of at least 0 (2)
---@field momentum? number # a number of at least 0 and below 1

---@param options? mtl.policy.fmtl.options
---@return mtl.policy
function policy.fmtl(options) end

---@class mtl.policy.focal.options
---@field floor? number # a number above 0 and below 1 (0.01)
---@field gamma? number|table<string, number> # a number or a table of numbers by task name, each of at least 0 (2)
---@field kpi_grad_max? number # a number of at least 0 (1)
---@field max_ratio? number # a number of at least 1
---@field momentum? number # a number of at least 0 and below 1
---@field normalize? boolean # true or false (false)
---@field through_kpi? boolean # true or false (false)
---@field warm? integer # a whole number of at least 0 (0)

---@param options? mtl.policy.focal.options
---@return mtl.policy
function policy.focal(options) end

---@class mtl.policy.gls.options

---@param options? mtl.policy.gls.options
---@return mtl.policy
function policy.gls(options) end

---@class mtl.policy.graddrop.options
---@field leak? number|table<string, number> # a number or a table of numbers by task name, each of at least 0 and at most 1 (0)

---@param options? mtl.policy.graddrop.options
---@return mtl.policy
function policy.graddrop(options) end

---@class mtl.policy.gradnorm.options
---@field alpha? number # a number of at least 0 (1.5)
---@field every? integer # a whole number of at least 1 (1)
---@field libmtl? boolean # true or false (false)
---@field lr? number # a number above 0 (0.025)

---@param options? mtl.policy.gradnorm.options
---@return mtl.policy
function policy.gradnorm(options) end

---@class mtl.policy.gradvac.options
---@field beta? number # a number of at least 0 and at most 1 (0.01)
---@field every? integer # a whole number of at least 1 (1)
---@field slices? "model"|"layer"|"matrix" # one of 'model', 'layer', 'matrix' ('model')

---@param options? mtl.policy.gradvac.options
---@return mtl.policy
function policy.gradvac(options) end

---@class mtl.policy.imtl.options
---@field every? integer # a whole number of at least 1 (1)
---@field lr? number # a number above 0

---@param options? mtl.policy.imtl.options
---@return mtl.policy
function policy.imtl(options) end

---@class mtl.policy.imtl_g.options
---@field every? integer # a whole number of at least 1 (1)

---@param options? mtl.policy.imtl_g.options
---@return mtl.policy
function policy.imtl_g(options) end

---@class mtl.policy.imtl_l.options
---@field lr? number # a number above 0

---@param options? mtl.policy.imtl_l.options
---@return mtl.policy
function policy.imtl_l(options) end

---@class mtl.policy.mgda.options
---@field at? "shared"|"representation" # one of 'shared', 'representation' ('shared')
---@field every? integer # a whole number of at least 1 (1)
---@field heads? "unit"|"weighted" # one of 'unit', 'weighted' ('unit')
---@field mix? "original"|"normed" # one of 'original', 'normed' ('original')
---@field norm? "none"|"l2"|"loss"|"loss+" # one of 'none', 'l2', 'loss', 'loss+' ('none')
---@field pool? "sum" # one of 'sum'
---@field sum? boolean # true or false (false)

---@param options? mtl.policy.mgda.options
---@return mtl.policy
function policy.mgda(options) end

---@class mtl.policy.moco.options
---@field beta? number # a number above 0 and at most 1 (0.5)
---@field beta_sigma? number # a number of at least 0 (0.5)
---@field every? integer # a whole number of at least 1 (1)
---@field gamma? number # a number of at least 0 (0.1)
---@field gamma_sigma? number # a number of at least 0 (0.5)
---@field rho? number # a number of at least 0 (0)
---@field variant? "paper"|"code" # one of 'paper', 'code' ('paper')

---@param options? mtl.policy.moco.options
---@return mtl.policy
function policy.moco(options) end

---@class mtl.policy.modo.options
---@field every? integer # a whole number of at least 1 (1)
---@field gamma? number # a number of at least 0 (0.001)
---@field rho? number # a number of at least 0 (0.1)

---@param options? mtl.policy.modo.options
---@return mtl.policy
function policy.modo(options) end

---@class mtl.policy.nash_mtl.options
---@field every? integer # a whole number of at least 1 (1)
---@field max_norm? number # a number of at least 0 (1)

---@param options? mtl.policy.nash_mtl.options
---@return mtl.policy
function policy.nash_mtl(options) end

---@class mtl.policy.pcgrad.options
---@field every? integer # a whole number of at least 1 (1)
---@field mean? boolean # true or false (false)

---@param options? mtl.policy.pcgrad.options
---@return mtl.policy
function policy.pcgrad(options) end

---@class mtl.policy.rlw.options
---@field dirichlet? boolean # true or false (false)

---@param options? mtl.policy.rlw.options
---@return mtl.policy
function policy.rlw(options) end

---@class mtl.policy.scale_invariant.options

---@param options? mtl.policy.scale_invariant.options
---@return mtl.policy
function policy.scale_invariant(options) end

---@class mtl.policy.sdmgrad.options
---@field every? integer # a whole number of at least 1 (1)
---@field iterations? integer # a whole number of at least 1 (20)
---@field lambda? number # a number of at least 0 (0.3)
---@field lr? number # a number above 0 (5)

---@param options? mtl.policy.sdmgrad.options
---@return mtl.policy
function policy.sdmgrad(options) end

---@class mtl.policy.stch.options
---@field mu? number # a number above 0 (1)
---@field pref? table<string, number> # a table of numbers by task name above 0
---@field warmup_epochs? integer # a whole number of at least 1 (5)

---@param options? mtl.policy.stch.options
---@return mtl.policy
function policy.stch(options) end

---@class mtl.policy.uncertainty.options
---@field forms? table # a table
---@field lr? number # a number above 0

---@param options? mtl.policy.uncertainty.options
---@return mtl.policy
function policy.uncertainty(options) end

---@class mtl.policy.uniform.options
---@field mean? boolean # true or false (false)

---@param options? mtl.policy.uniform.options
---@return mtl.policy
function policy.uniform(options) end

---@class mtl.policy.upgrad.options
---@field every? integer # a whole number of at least 1 (1)
---@field pref? table<string, number> # a table of numbers by task name of at least 0

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
---@field dataset fun(name: string, options?: table): mtl.data
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
---@field stages table
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
