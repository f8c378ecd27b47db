/* SPDX-License-Identifier: MIT
 *
 * A message is read, a field of it taken away or changed, and written again.
 * What cannot be read goes on as it came.
 */
#include "sim/habit.h"

#define UNKNOWN (SIM_HABIT_BASIC | SIM_HABIT_SILENT)

static struct bytes write(const struct dht_message *m, struct bytes as_it_was,
                          uint8_t buf[DHT_MESSAGE_MAX])
{
    size_t len;

    if (dht_message_write(DHT_DIALECT_MAINLINE, m, buf, DHT_MESSAGE_MAX,
                          &len) != OK)
        return as_it_was;
    return bytes_of(buf, len);
}

static bool is_basic(enum dht_method method)
{
    return method == DHT_PING || method == DHT_FIND_NODE ||
           method == DHT_GET_PEERS || method == DHT_ANNOUNCE_PEER;
}

static struct bytes refuse(const struct dht_message *q,
                           uint8_t buf[DHT_MESSAGE_MAX])
{
    struct dht_message m;

    dht_message_init(&m, DHT_ERROR);
    m.transaction = q->transaction;
    m.error_code = DHT_ERROR_METHOD;
    m.error_text = bytes_of("Method Unknown", 14);
    return write(&m, bytes_of(NULL, 0), buf);
}

static void change_query(unsigned habits, struct dht_message *m)
{
    if (habits & SIM_HABIT_NO_IMPLIED && m->method == DHT_ANNOUNCE_PEER)
        m->implied_port = false;
    if (habits & SIM_HABIT_NO_WANT) {
        m->has &= ~(uint32_t)DHT_HAS_WANT;
        m->want[FAMILY_IPV4] = m->want[FAMILY_IPV6] = false;
    }
    if (habits & SIM_HABIT_NO_READ_ONLY)
        m->read_only = false;
}

struct bytes sim_habit_in(unsigned habits, struct bytes datagram,
                          uint8_t buf[DHT_MESSAGE_MAX], struct bytes *answer)
{
    struct dht_message m;

    *answer = bytes_of(NULL, 0);
    if (habits == 0 ||
        dht_message_read(DHT_DIALECT_MAINLINE, datagram, &m) != OK)
        return datagram;
    if (m.kind == DHT_QUERY && habits & UNKNOWN && !is_basic(m.method)) {
        if (!(habits & SIM_HABIT_SILENT))
            *answer = refuse(&m, buf);
        return bytes_of(NULL, 0);
    }
    if (m.kind == DHT_QUERY)
        change_query(habits, &m);
    else if (habits & SIM_HABIT_ANY_ID) /* so it never hears where it is */
        m.has &= ~(uint32_t)DHT_HAS_IP;
    return write(&m, datagram, buf);
}

struct bytes sim_habit_out(unsigned habits, struct bytes datagram,
                           uint8_t buf[DHT_MESSAGE_MAX])
{
    struct dht_message m;

    if (habits == 0 ||
        dht_message_read(DHT_DIALECT_MAINLINE, datagram, &m) != OK ||
        m.kind != DHT_RESPONSE)
        return datagram;
    if (habits & SIM_HABIT_VALUES_ALONE && m.has & DHT_HAS_VALUES)
        m.has &= ~(uint32_t)(DHT_HAS_NODES | DHT_HAS_NODES6);
    if (habits & SIM_HABIT_NO_IP)
        m.has &= ~(uint32_t)DHT_HAS_IP;
    if (habits & SIM_HABIT_NO_TOKEN)
        m.has &= ~(uint32_t)DHT_HAS_TOKEN;
    return write(&m, datagram, buf);
}
