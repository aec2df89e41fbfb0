-- Of each key given: how many wait there or below, how many are granted, what limits it, and for how long it is parked.
local waiting = {}
for _, key in ipairs(cjson.decode(ARGV[1]).keys) do
    local path = lineage(key)
    local count = call('ZCARD', P .. 'line:' .. key)
    for level, above in ipairs(path) do
        waiting[above] = (waiting[above] or 0) + count
        local shown = level == #path - 1 and call('ZSCORE', P .. 'line:' .. above, '>' .. key)
        if shown then
            for up = 1, level do waiting[path[up]] = (waiting[path[up]] or 0) - 1 end
        end
    end
end
local rows = {}
for key, count in pairs(waiting) do
    local due = call('ZSCORE', P .. 'due', key) or call('ZSCORE', P .. 'paused', key)
    local slots, rate = call('HGET', P .. 'limits', key), call('HGET', P .. 'rates', key)
    rows[#rows + 1] = cjson.encode({
        key = key, waiting = count, granted = call('ZCARD', P .. 'grants:' .. key), slots = slots and tonumber(slots) or cjson.null,
        rate = rate and cjson.decode(rate) or cjson.null, parked_seconds = due and math.max(0, due - now_ms) / 1000 or 0,
    })
end
return rows
