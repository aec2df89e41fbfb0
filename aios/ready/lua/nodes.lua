-- Limiting keys form a tree of at most three levels: the pool (llm), what limits within it (llm:small), a tenant (llm:small@acme).
-- line:<key> holds what waits there by score: ids, and '>' .. child for each child that has something to grant and room for it.
-- grants:<key> holds what is granted there or below, by the end of its lease.
local P = KEYS[1]
local call = redis.call
local stamp = call('TIME')
local now = stamp[1] + stamp[2] / 1e6
local now_ms = stamp[1] * 1000 + math.floor(stamp[2] / 1000)

local function exact(number) return string.format('%.17g', number) end

local function root_of(key) return string.match(key, '^[^:@]+') end

local function lineage(key)
    local root, group = root_of(key), string.match(key, '^[^@]+')
    local path = {root}
    if group ~= root then path[2] = group end
    if key ~= group then path[#path + 1] = key end
    return path
end

local function has_slots(key, is_root)
    local slots = call('HGET', P .. 'limits', key)
    if not slots then return not is_root end
    return call('ZCARD', P .. 'grants:' .. key) < tonumber(slots)
end

-- A key is parked until a time: `due` has those that used up their rate, `paused` those that were told to wait (a 429).
local function parked(key)
    local due = call('ZSCORE', P .. 'due', key) or call('ZSCORE', P .. 'paused', key)
    return due and tonumber(due) > now_ms
end

-- Show a key's head to its parents, or hide it while it is empty, full or parked: so nothing saturated is ever looked at.
local function relist(key)
    local path = lineage(key)
    for level = #path, 2, -1 do
        local child, parent = path[level], path[level - 1]
        local head = call('ZRANGE', P .. 'line:' .. child, 0, 0, 'WITHSCORES')
        if head[1] and has_slots(child, false) and not parked(child) then
            call('ZADD', P .. 'line:' .. parent, head[2], '>' .. child)
        else
            call('ZREM', P .. 'line:' .. parent, '>' .. child)
        end
    end
end

local function park(kind, key, until_ms)
    call('ZADD', P .. kind, 'GT', until_ms, key)
    relist(key)
end

-- Look again at the keys whose time has come.
local function unpark(kind, look)
    for _, key in ipairs(call('ZRANGEBYSCORE', P .. kind, '-inf', now_ms)) do
        call('ZREM', P .. kind, key)
        relist(key)
        look(key)
    end
end
