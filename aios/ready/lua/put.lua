-- Fill the sets while they are rebuilt: nothing is granted. Accounts first, then what runs, then what waits.
local order = cjson.decode(ARGV[1])
for _, had in ipairs(order.attained) do keep_account(had[1], had[2], {had[3], 0, now, 0}) end
for _, spent in ipairs(order.spent) do
    for _, key in ipairs(lineage(own_key(spent[1], spent[2]))) do
        spend(key, spent[3] .. ' before', spent[4], now_ms - math.floor(spent[5] * 1000))
    end
end
for _, add in ipairs(order.add) do
    local entry = enter(add)
    if not entry and order.running then -- read as queued before it was claimed
        local known = recall(add[1])
        entry = known and call('ZSCORE', P .. 'line:' .. known.key, add[1]) and known or nil
    end
    if entry and order.running then hold(add[1], entry, now_ms + order.lease_ms) end
    if entry then relist(entry.key) end
end
return #order.add
