--- What a comparison comes to, in a few sentences: how each policy that was tested did against each reference.
local claims = require "mtl.compare.claims"

local function by(r, d)
  return r.endpoint.format:format(math.abs(d.mean))
end

-- What there is to say of a difference: which sentence names it, and how.
local function said(r, row, d)
  if row.diverged > 0 or not d.p_holm then
    return "none", ("%s (%s)"):format(row.name, d.verdict)
  elseif d.p_holm >= claims.ALPHA then
    return "same", ("%s (the smallest that could have been seen: %s)"):format(row.name,
      r.endpoint.format:format(d.detectable))
  end
  return (d.mean > 0) == r.endpoint.higher and "better" or "worse", ("%s by %s"):format(row.name, by(r, d))
end

--- @param r result.of
-- @return a list of sentences; none where no policy was to be tested
return function(r)
  local list = {}
  for a, name in ipairs(r.plan.against) do
    local names, pairs_of = { better = {}, worse = {}, same = {}, none = {} }, 0
    for _, row in ipairs(r.rows) do
      local d = row.differences[a]
      if d and d.tested then
        local which, text = said(r, row, d)
        table.insert(names[which], text)
        pairs_of = math.max(pairs_of, d.n)
      end
    end
    for _, sentence in ipairs {
      { "better", ("Better than %s in %s: "):format(name, r.endpoint.title) },
      { "worse", ("Worse than %s in %s: "):format(name, r.endpoint.title) },
      { "same", ("No difference from %s in %s seen with %d seeds: "):format(name, r.endpoint.title, pairs_of) },
      { "none", ("Nothing can be said against %s of: "):format(name) },
    } do
      local which = names[sentence[1]]
      list[#list + 1] = #which > 0 and sentence[2] .. table.concat(which, ", ") .. "." or nil
    end
  end
  return list
end
