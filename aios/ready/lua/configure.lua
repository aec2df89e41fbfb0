-- Limits and rates of keys; `whole`: those not named have none any more. What they parked or hid is looked at again.
local order = cjson.decode(ARGV[1])

local function store(name, values)
    local changed = {}
    for key, value in pairs(values) do
        if call('HGET', P .. name, key) ~= value then
            call('HSET', P .. name, key, value)
            changed[#changed + 1] = key
        end
    end
    for _, key in ipairs(order.whole and call('HKEYS', P .. name) or {}) do
        if not values[key] then
            call('HDEL', P .. name, key)
            changed[#changed + 1] = key
        end
    end
    return changed
end

for _, key in ipairs(store('limits', order.limits)) do relist(key) end
for _, key in ipairs(store('rates', order.rates)) do
    call('ZREM', P .. 'due', key)
    relist(key)
end
return 1
