-- For wrk: sends the bodies of a file in order, and prints what came of it as one line of JSON.
-- wrk -s load.lua URL -- BODIES [again]

local bodies, place, again = {}, 0, false

function init(arguments)
  for line in io.lines(arguments[1]) do
    bodies[#bodies + 1] = line
  end
  again = arguments[2] == "again"
end

function request()
  place = place + 1
  if again then
    place = (place - 1) % #bodies + 1
  elseif place > #bodies then
    -- A body that was sent before may be answered from a cache.
    error("there are too few bodies")
  end
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, bodies[place])
end

function done(summary, latency, requests)
  local errors = summary.errors
  local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "faults": %d, "p50": %.6f, "p99": %.6f, "most": %.6f}\n',
    summary.requests,
    summary.duration / 1e6,
    faults,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    latency.max / 1e3
  ))
end
