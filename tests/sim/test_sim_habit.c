/* SPDX-License-Identifier: MIT
 *
 * What old clients change of messages.
 */
#include "sim/habit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint8_t in[DHT_MESSAGE_MAX], out[DHT_MESSAGE_MAX];

static struct bytes written(const struct dht_message *m)
{
    size_t len;

    assert_int_equal(
        dht_message_write(DHT_DIALECT_MAINLINE, m, in, sizeof(in), &len), OK);
    return bytes_of(in, len);
}

static struct dht_message read_again(struct bytes datagram)
{
    struct dht_message m;

    assert_int_equal(dht_message_read(DHT_DIALECT_MAINLINE, datagram, &m), OK);
    return m;
}

static struct dht_message query(enum dht_method method)
{
    struct dht_message m;

    dht_message_init(&m, DHT_QUERY);
    m.method = method;
    m.has = DHT_HAS_ID | DHT_HAS_TARGET;
    m.transaction = bytes_of("ab", 2);
    return m;
}

static void test_sim_habit_knows_bep_5_alone(void **state)
{
    const struct dht_message get = query(DHT_GET), find = query(DHT_FIND_NODE);
    struct dht_message m;
    struct bytes answer;

    (void)state;
    assert_int_equal(
        sim_habit_in(SIM_HABIT_BASIC, written(&get), out, &answer).len, 0);
    m = read_again(answer);
    assert_int_equal(m.kind, DHT_ERROR);
    assert_int_equal(m.error_code, DHT_ERROR_METHOD);
    assert_true(bytes_equal(m.transaction, get.transaction));
    assert_int_equal(
        sim_habit_in(SIM_HABIT_SILENT, written(&get), out, &answer).len, 0);
    assert_int_equal(answer.len, 0);
    m = read_again(
        sim_habit_in(SIM_HABIT_SILENT, written(&find), out, &answer));
    assert_int_equal(m.method, DHT_FIND_NODE);
    assert_int_equal(answer.len, 0);
}

static void test_sim_habit_changes_queries(void **state)
{
    struct dht_message m = query(DHT_ANNOUNCE_PEER);
    struct bytes answer;

    (void)state;
    m.has |= DHT_HAS_PORT | DHT_HAS_TOKEN;
    m.token = bytes_of("letmein!", 8);
    m.port = 7;
    m.implied_port = m.read_only = true;
    m = read_again(sim_habit_in(SIM_HABIT_NO_IMPLIED | SIM_HABIT_NO_READ_ONLY,
                                written(&m), out, &answer));
    assert_false(m.implied_port);
    assert_false(m.read_only);
    assert_int_equal(m.port, 7);

    m = query(DHT_FIND_NODE);
    m.has |= DHT_HAS_WANT;
    m.want[FAMILY_IPV6] = true;
    m = read_again(sim_habit_in(SIM_HABIT_NO_WANT, written(&m), out, &answer));
    assert_false(m.want[FAMILY_IPV6]);
}

static struct dht_message response(void)
{
    static const uint8_t nodes[COMPACT_NODE4] = {1};
    struct dht_message m;

    dht_message_init(&m, DHT_RESPONSE);
    m.has = DHT_HAS_ID | DHT_HAS_NODES | DHT_HAS_VALUES | DHT_HAS_IP |
            DHT_HAS_TOKEN;
    m.transaction = bytes_of("ab", 2);
    m.token = bytes_of("letmein!", 8);
    m.nodes = bytes_of(nodes, sizeof(nodes));
    m.ip = (struct endpoint){
        .family = FAMILY_IPV4, .port = 9, .addr = {1, 2, 3, 4}};
    return m;
}

static void test_sim_habit_changes_answers(void **state)
{
    const struct dht_message whole = response();
    struct dht_message m;
    struct bytes answer;

    (void)state;
    m = read_again(sim_habit_out(0, written(&whole), out));
    assert_int_equal(m.has, whole.has);
    m = read_again(sim_habit_out(SIM_HABIT_VALUES_ALONE, written(&whole), out));
    assert_int_equal(m.has, whole.has & ~(uint32_t)DHT_HAS_NODES);
    m = read_again(sim_habit_out(SIM_HABIT_NO_IP | SIM_HABIT_NO_TOKEN,
                                 written(&whole), out));
    assert_int_equal(m.has,
                     whole.has & ~(uint32_t)(DHT_HAS_IP | DHT_HAS_TOKEN));
    /* It hears from nobody where it is, and so keeps its id. */
    m = read_again(
        sim_habit_in(SIM_HABIT_ANY_ID, written(&whole), out, &answer));
    assert_int_equal(m.has, whole.has & ~(uint32_t)DHT_HAS_IP);
}

static void test_sim_habit_leaves_what_is_no_message(void **state)
{
    const struct bytes junk = bytes_of("d1:", 3);
    struct bytes answer, left;

    (void)state;
    left = sim_habit_in(SIM_HABIT_SILENT, junk, out, &answer);
    assert_ptr_equal(left.p, junk.p);
    assert_int_equal(answer.len, 0);
    left = sim_habit_out(SIM_HABIT_NO_IP, junk, out);
    assert_ptr_equal(left.p, junk.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_habit_knows_bep_5_alone),
        cmocka_unit_test(test_sim_habit_changes_queries),
        cmocka_unit_test(test_sim_habit_changes_answers),
        cmocka_unit_test(test_sim_habit_leaves_what_is_no_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
