--- A picture of a comparison, as SVG: each row's difference from the first reference in the primary endpoint, by seed
-- (pale), its mean and interval.
local svg = require "mtl.svg"
local text = require "mtl.cli.text"

local LEFT, WIDTH, RIGHT, LINE, TOP = 230, 400, 160, 24, 56
local colour = { single = "#b8860b", uniform = "#222222", fixed = "#777777", tuned = "#777777", policy = "#1f5fa8" }

local escaped = svg.escaped

-- Ends of the scale, and a step of 1, 2 or 5 times a power of ten.
local function scale(r)
  local low, high = 0, 0
  for _, row in ipairs(r.rows) do
    local d = row.differences[1]
    for _, x in ipairs(d and d.by_seed or {}) do
      low, high = math.min(low, x), math.max(high, x)
    end
    if d and d.half then
      low, high = math.min(low, d.mean - d.half), math.max(high, d.mean + d.half)
    end
  end
  if high - low < 1e-9 then
    low, high = -0.01, 0.01
  end
  local step = svg.step(high - low, 5)
  return math.floor(low / step) * step, math.ceil(high / step) * step, step
end

return function(r)
  local low, high, step = scale(r)
  local height, total = TOP + LINE * #r.rows + 56, LEFT + WIDTH + RIGHT
  local bottom = TOP + LINE * #r.rows
  local page = svg.new(total, height)
  local function add(...)
    page:add(...)
  end
  local function x_of(value)
    return LEFT + WIDTH * (value - low) / (high - low)
  end
  add('<text x="%d" y="22" font-size="15">%s: difference from %s</text>', 12, escaped(r.plan.recipe),
    escaped(r.plan.against[1]))
  add('<text x="%d" y="40" fill="#555">%s, %s is better; %d seeds; dots: seeds, bars: mean and 95 %% interval</text>',
    12, escaped(r.endpoint.title), r.endpoint.higher and "higher" or "lower", #r.plan.seeds)
  for i = 0, math.floor((high - low) / step + 0.5) do
    local value = low + i * step
    local x = x_of(value)
    local zero = math.abs(value) < step / 1000
    add('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s"/>', x, TOP, x, bottom, zero and "#222" or "#ddd")
    add('<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s</text>', x, bottom + 18,
      zero and "0" or ("%+.4g"):format(value))
  end
  for _, row in ipairs(r.rows) do
    if not row.differences[1] then
      add('<text x="%.1f" y="%d" text-anchor="middle" fill="#555">%s%s</text>', x_of(0), bottom + 36, escaped(row.name),
        row.primary.mean and " = " .. r.endpoint.format:format(row.primary.mean) or "")
    end
  end
  for i, row in ipairs(r.rows) do
    local y, ink, d = TOP + LINE * (i - 0.5), colour[row.kind], row.differences[1]
    add('<text x="%d" y="%.1f" text-anchor="end" fill="%s">%s</text>', LEFT - 12, y + 4, ink,
      escaped(text.shorten(row.name, 30, true)))
    if d and d.half then
      add('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="2"/>', x_of(d.mean - d.half), y,
        x_of(d.mean + d.half), y, ink)
    end
    for _, value in ipairs(d and d.by_seed or {}) do
      add('<circle cx="%.1f" cy="%.1f" r="3" fill="%s" fill-opacity="0.4"/>', x_of(value), y, ink)
    end
    if not d or d.mean then
      add('<rect x="%.1f" y="%.1f" width="8" height="8" fill="%s" stroke="%s" stroke-width="1.5"/>',
        x_of(d and d.mean or 0) - 4, y - 4, (row.kind == "policy" or not d) and ink or "white", ink)
    end
    local said = row.diverged > 0 and ("%d/%d diverged"):format(row.diverged, #row.runs)
      or d and d.tested and d.verdict:match "^[^(:;]*" or row == r.best_fixed and "best on validation" or ""
    add('<text x="%d" y="%.1f" fill="%s">%s</text>', LEFT + WIDTH + 12, y + 4, ink, escaped(said))
  end
  return page:text()
end
