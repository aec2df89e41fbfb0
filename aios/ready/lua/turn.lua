local order = cjson.decode(ARGV[1])
if call('EXISTS', P .. 'epoch') == 0 then return redis.error_reply('WIPED') end
local touched, bells, again = {}, {}, 0
local envelope, queues = ARGV[2], ARGV[3]
local taken, mine

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

local function messages_in(pool)
    local names = {queues .. pool}
    for priority = 1, 9 do names[#names + 1] = names[1] .. ':' .. priority end
    return call('EXISTS', unpack(names)) > 0
end

-- Whether messages stand before what is granted now: in its pool, or, for who yields, in any queue that the asker serves.
local function messages_wait(target)
    if not queues then return order.yields end
    for _, pool in ipairs(order.yields or {target}) do
        if messages_in(pool) then return true end
    end
    return false
end

-- Who asks may go on itself with one thing that is granted now, if it is of a kind that it takes and nothing stands before it.
local function given(target, op, id, entry)
    if taken or mine and mine.granted or not (order.take[target] or order.take[target .. '.' .. op]) or messages_wait(target) then
        return false
    end
    taken = {id, entry}
    return true
end

-- Where Celery's queues are in this Redis too, a message is rung here; a chain of several links is left to Celery.
local function publish(id, entry, rings)
    local links, priority = unpack(cjson.decode(entry.bell), 3)
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

local function ring(id, entry, rings)
    if mine and id == mine.id then
        mine.granted = true
        if taken then -- one thing at a time
            publish(taken[1], taken[2], 0)
            taken = nil
        end
        return
    end
    if order.take then
        local target, op = unpack(cjson.decode(entry.bell)[3][1])
        if given(target, op, id, entry) then return end
    end
    publish(id, entry, rings)
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

-- What is not written yet is granted to who asks, or to nobody; then all is as if it had never been here.
local function ask(add)
    local pool = root_of(add[2])
    if messages_wait(pool) then return end
    local account = policy.payer and account_key(pool, policy.payer({root = add[3], tenant = add[4]}))
    local before = account and call('GET', account)
    local entry = enter(add)
    if not entry then
        local known = recall(add[1]) -- asked again, as the first answer was lost
        mine = known and call('ZSCORE', P .. 'grants:' .. known.key, add[1]) and {id = add[1], granted = true} or nil
        return
    end
    relist(entry.key)
    touched[pool] = true
    mine = {id = add[1], entry = entry, account = account, before = before}
end

local function withdraw()
    call('ZREM', P .. 'line:' .. mine.entry.key, mine.id)
    call('HDEL', P .. 'calls', mine.id)
    relist(mine.entry.key)
    if mine.before then
        call('SET', mine.account, mine.before, 'EX', ACCOUNT_SECONDS)
    elseif mine.account then
        call('DEL', mine.account)
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
if order.mine then ask(order.mine) end
for _, key in ipairs(order.keys) do touched[root_of(key)] = true end
local function look(key) touched[root_of(key)] = true end
unpark('paused', look)
if rated then unpark('due', look) end
for pool in pairs(touched) do
    reclaim(pool)
    grant(pool)
end
if mine and not mine.granted then withdraw() end
return {again, bells, exact(now), taken and taken[2].bell or false, mine and mine.granted or false}
