-- The policies of aios/kernel/scheduling.py, number for number: a test holds the two against each other.
local rules_text = call('GET', P .. 'policy')
local rules = rules_text and cjson.decode(rules_text) or {name = 'fifo'}
local ACCOUNT_SECONDS = 86400
local LEAST_COST_SECONDS, DEFAULT_PRIORITY = 0.001, 5

local function settled_of(account)
    local idle = math.max(0, now - account[3])
    return account[1] * 0.5 ^ (idle / rules.half_life_seconds)
end

local function weight_of(tenant) return rules.weights and rules.weights[tenant] or 1 end

-- Each: payer(entry), enter(entry, account, clock) -> score, settle(entry, account, served). Accounts are changed in place:
-- settled, reserved, as of, tag.
local policies = {
    fifo = {
        enter = function(entry) return entry.enqueued end,
    },
    priority = {
        enter = function(entry) return entry.enqueued + entry.priority * rules.step_seconds end,
    },
    rr = {
        clocked = true,
        payer = function(entry) return entry.root end,
        enter = function(_, account, clock)
            local turn = math.max(clock + 1, account[4])
            account[4] = turn + 1
            return turn
        end,
        settle = function() end,
    },
    las = {
        payer = function(entry) return entry.root end,
        enter = function(entry, account)
            local attained = settled_of(account) + account[2]
            account[2] = account[2] + entry.cost
            return math.min(attained, rules.cap_seconds) + rules.nice_seconds * (entry.priority - DEFAULT_PRIORITY)
                + rules.ageing * entry.enqueued
        end,
        settle = function(entry, account, served)
            account[1] = settled_of(account) + served
            account[2] = math.max(0, account[2] - entry.cost)
            account[3] = now
        end,
    },
    fair = {
        clocked = true,
        payer = function(entry) return entry.tenant end,
        enter = function(entry, account, clock)
            local start = math.max(clock, account[4])
            account[4] = start + entry.cost / weight_of(entry.tenant)
            return start
        end,
        settle = function(entry, account, served)
            account[4] = account[4] + (served - entry.cost) / weight_of(entry.tenant)
        end,
    },
}
local policy = policies[rules.name]

local function account_key(pool, payer) return P .. 'account:' .. pool .. ':' .. payer end

local function account_of(pool, payer)
    local packed = call('GET', account_key(pool, payer))
    return packed and cmsgpack.unpack(packed) or {0, 0, 0, 0}
end

local function keep_account(pool, payer, account)
    call('SET', account_key(pool, payer), cmsgpack.pack(account), 'EX', ACCOUNT_SECONDS)
end

local function clock_of(pool) return tonumber(policy.clocked and call('HGET', P .. 'clocks', pool) or '0') end

local function score_of(pool, entry)
    if not policy.payer then return policy.enter(entry) end
    local payer = policy.payer(entry)
    local account = account_of(pool, payer)
    local score = policy.enter(entry, account, clock_of(pool))
    keep_account(pool, payer, account)
    return score
end

local function charge(pool, entry, served)
    if policy.payer then
        local payer = policy.payer(entry)
        local account = account_of(pool, payer)
        policy.settle(entry, account, served)
        keep_account(pool, payer, account)
    end
end
