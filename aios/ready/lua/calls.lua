-- What is known of each id that waits or is granted, packed in the hash `calls`: it is there exactly as long as it is in the
-- line of its key or in the grants of it.
local function recall(id)
    local packed = call('HGET', P .. 'calls', id)
    if not packed then return nil end
    local v = cmsgpack.unpack(packed)
    return {
        bell = v[1], key = v[2], root = v[3], tenant = v[4], priority = v[5], cost = v[6], enqueued = v[7], score = v[8],
        tokens = v[9], kind = v[10], granted = v[11],
    }
end

local function remember(id, e)
    call('HSET', P .. 'calls', id, cmsgpack.pack({
        e.bell, e.key, e.root, e.tenant, e.priority, e.cost, e.enqueued, e.score, e.tokens, e.kind, e.granted,
    }))
end

-- A tenant with limits of its own under a key waits in a line of its own.
local function own_key(key, tenant)
    local own = key .. '@' .. tenant
    if call('HEXISTS', P .. 'limits', own) == 1 or (rated and call('HEXISTS', P .. 'rates', own) == 1) then return own end
    return key
end

local function learned_of(kind)
    local packed = kind ~= '' and call('HGET', P .. 'learned', kind)
    return packed and cmsgpack.unpack(packed)
end

-- aios/kernel/estimate.py, number for number.
local function learn(kind, served, tokens)
    local known = learned_of(kind) or {0, 0, tokens}
    known[1] = math.min(known[1] + 1, 20)
    known[2] = known[2] + (served - known[2]) / known[1]
    known[3] = math.max(0, known[3] + math.max(1, known[3] / 10) * (tokens > known[3] and 0.9 or tokens < known[3] and 0.9 - 1 or 0))
    call('HSET', P .. 'learned', kind, cmsgpack.pack(known))
end

-- add: id, key, root, tenant, priority, estimate (0: as learned), default estimate, age, tokens, kind, bell
local function enter(add)
    local id = add[1]
    if call('HEXISTS', P .. 'calls', id) == 1 then return end
    local known = add[6] == 0 and learned_of(add[10])
    local entry = {
        key = own_key(add[2], add[4]), root = add[3], tenant = add[4], priority = add[5],
        cost = math.max(add[6] > 0 and add[6] or known and known[2] or add[7], LEAST_COST_SECONDS),
        enqueued = now - add[8], tokens = add[9], kind = add[10], bell = add[11], granted = 0,
    }
    for _, key in ipairs(rated and lineage(entry.key) or {}) do
        local rate = rate_of(key)
        if rate and rate.tokens and entry.tokens > rate.tokens then
            call('HSET', P .. 'refused', id, cjson.encode({key, entry.tokens, rate.tokens}))
            return
        end
    end
    if known and known[3] > 0 then entry.tokens = math.min(add[9] > 0 and add[9] or known[3], math.ceil(known[3])) end
    entry.score = score_of(root_of(entry.key), entry)
    remember(id, entry)
    call('ZADD', P .. 'line:' .. entry.key, exact(entry.score), id)
    return entry
end

local function drop_grant(id, entry)
    for _, key in ipairs(lineage(entry.key)) do call('ZREM', P .. 'grants:' .. key, id) end
end

local function hold(id, entry, ends_ms)
    call('ZREM', P .. 'line:' .. entry.key, id)
    entry.granted = now_ms
    for _, key in ipairs(lineage(entry.key)) do
        call('ZADD', P .. 'grants:' .. key, ends_ms, id)
        if rated then spend(key, id .. ' ' .. now_ms, entry.tokens, now_ms) end
    end
    if rated then remember(id, entry) end
    if policy.clocked then
        local pool = root_of(entry.key)
        if entry.score > clock_of(pool) then call('HSET', P .. 'clocks', pool, exact(entry.score)) end
    end
end

-- done: pool, id, served seconds, tokens, seconds for which its key is to pause
local function forget(done)
    local id, entry = done[2], recall(done[2])
    if not entry then
        call('ZREM', P .. 'grants:' .. done[1], id)
        return
    end
    local waited = call('ZREM', P .. 'line:' .. entry.key, id) == 1
    if not waited then drop_grant(id, entry) end
    local served = waited and 0 or done[3]
    charge(root_of(entry.key), entry, served)
    local whole = done[4] > 0 or entry.tokens == 0 -- what failed or was cut short used none, and tells nothing of its like
    if served > 0 and whole and entry.kind ~= '' then learn(entry.kind, served, done[4]) end
    if rated and not waited then
        for _, key in ipairs(lineage(entry.key)) do correct(key, id .. ' ' .. entry.granted, done[4]) end
    end
    call('HDEL', P .. 'calls', id)
    call('HDEL', P .. 'rings', id)
    if done[5] > 0 then park('paused', string.match(entry.key, '^[^@]+'), now_ms + math.ceil(done[5] * 1000)) end
    relist(entry.key)
end
