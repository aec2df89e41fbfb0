-- Keep grants, or take lost ones again where there is room; gives the ids of those that are gone. Unknown ids (later links of a
-- chain, which need no grant) are nobody's loss.
local order = cjson.decode(ARGV[1])
local lost = {}
if call('EXISTS', P .. 'epoch') == 0 then return lost end

-- A pool's own limit is a window before its workers, except for `llm`, where it is the engine's slots.
local function room(key)
    for level, node in ipairs(lineage(key)) do
        if (level > 1 or node == 'llm') and not has_slots(node, level == 1) then return false end
    end
    return true
end

-- What was granted before its key was told to wait (a 429), and has not started yet, does not start.
local function told_to_wait(key)
    for _, node in ipairs(order.start and lineage(key) or {}) do
        local till = call('ZSCORE', P .. 'paused', node)
        if till and tonumber(till) > now_ms then return true end
    end
end

for _, id in ipairs(order.held) do
    local entry = recall(id)
    if entry then
        local path = lineage(entry.key)
        if told_to_wait(entry.key) then
            lost[#lost + 1] = id
        elseif call('ZSCORE', P .. 'grants:' .. path[#path], id) then
            for _, key in ipairs(path) do call('ZADD', P .. 'grants:' .. key, now_ms + order.lease_ms, id) end
        elseif room(entry.key) then
            hold(id, entry, now_ms + order.lease_ms)
            relist(entry.key)
        else
            lost[#lost + 1] = id
        end
        call('HDEL', P .. 'rings', id)
    elseif order.known then
        lost[#lost + 1] = id
    end
end
return lost
