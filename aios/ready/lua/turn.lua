local order = cjson.decode(ARGV[1])
if call('EXISTS', P .. 'epoch') == 0 then return redis.error_reply('WIPED') end
local touched, bells, again = {}, {}, 0
local envelope, queues = ARGV[2], ARGV[3]
local taken

-- Grants whose lease ended go back to where they stood.
local function reclaim(pool)
    for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'grants:' .. pool, '-inf', now_ms)) do
        local entry = recall(id)
        if entry then
            drop_grant(id, entry)
            if rated then
                for _, key in ipairs(lineage(entry.key)) do unspend(key, id .. ' ' .. entry.granted) end
            end
            call('ZADD', P .. 'line:' .. entry.key, exact(entry.score), id)
            call('HINCRBY', P .. 'rings', id, 1)
            relist(entry.key)
            again = again + 1
        else
            call('ZREM', P .. 'grants:' .. pool, id)
        end
    end
end

local function best_of(pool)
    local key = pool
    while true do
        local head = call('ZRANGE', P .. 'line:' .. key, 0, 0)[1]
        if not head then return nil end
        if string.sub(head, 1, 1) ~= '>' then return head, key end
        key = string.sub(head, 2)
    end
end

-- The first of its keys that has no requests or tokens left is parked until it has.
local function short_of(entry)
    for _, key in ipairs(rated and lineage(entry.key) or {}) do
        local rate = rate_of(key)
        local due = rate and due_of(key, rate, entry.tokens)
        if due then
            park('due', key, due)
            return true
        end
    end
end

local function messages_wait(target)
    if not queues then return false end
    local names = {queues .. target}
    for priority = 1, 9 do names[#names + 1] = names[1] .. ':' .. priority end
    return call('EXISTS', unpack(names)) > 0
end

-- Who asks may go on itself with one thing that is granted now, if it is of a kind that it takes and nothing stands before it.
local function given(target, op, entry)
    if taken or not (order.take[target] or order.take[target .. '.' .. op]) or messages_wait(target) then return false end
    taken = entry.bell
    return true
end

-- Where Celery's queues are in this Redis too, a message is rung here; a chain of several links is left to Celery.
local function ring(id, entry, rings)
    local links, priority = unpack(cjson.decode(entry.bell), 3)
    if order.take and given(links[1][1], links[1][2], entry) then return end
    if not envelope or #links > 1 then
        bells[#bells + 1] = {entry.bell, rings}
        return
    end
    local target, op, argument = unpack(links[1])
    priority = math.max(0, priority - 2 * rings) -- what rings again would wait behind others in the queue otherwise
    local filled = string.gsub(envelope, '@(%w+)@', {
        task = 'aios.' .. target .. '.' .. op, call = argument, pool = target, priority = priority, message = id .. ':' .. now_ms,
    })
    call('LPUSH', queues .. target .. (priority > 0 and ':' .. priority or ''), filled)
end

local function grant(pool)
    while true do
        local id, key = best_of(pool) -- asked first: most lines are empty, and that costs one call
        if not id or not has_slots(pool, true) or parked(pool) then return end
        local entry = recall(id)
        if not entry then
            call('ZREM', P .. 'line:' .. key, id)
            relist(key)
        elseif not short_of(entry) then
            local rings = tonumber(call('HGET', P .. 'rings', id) or '0')
            hold(id, entry, now_ms + order.lease_ms * 2 ^ math.min(rings, 4))
            relist(entry.key)
            ring(id, entry, rings)
        end
    end
end

for _, done in ipairs(order.done) do
    forget(done)
    touched[root_of(done[1])] = true
end
for _, add in ipairs(order.add) do
    local entry = enter(add)
    if entry then relist(entry.key) end
    touched[root_of(add[2])] = true
end
for _, key in ipairs(order.keys) do touched[root_of(key)] = true end
local function look(key) touched[root_of(key)] = true end
unpark('paused', look)
if rated then unpark('due', look) end
for pool in pairs(touched) do
    reclaim(pool)
    grant(pool)
end
return {again, bells, exact(now), taken or false}
