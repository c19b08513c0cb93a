-- wrk: each request posts one notification to another of 1,000 users. TOKEN is a producer's.
local token = os.getenv("TOKEN")
local n = 0
local thread_number = 0

function setup(thread)
  thread:set("offset", thread_number * 500)
  thread_number = thread_number + 1
end

function request()
  n = n + 1
  local user = "u" .. ((offset + n) % 1000)
  local body = '{"user":"' .. user .. '","type":"like","sender":{"username":"bob"},"content":"liked your work"}'
  return wrk.format("POST", "/api/v1/notifications", {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. token,
  }, body)
end

function done(summary, latency)
  local failed = summary.errors.status + summary.errors.read + summary.errors.write + summary.errors.timeout
    + summary.errors.connect
  io.write(string.format("RESULT %.0f %d %.2f %.2f\n", summary.requests / summary.duration * 1e6, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
