/* SPDX-License-Identifier: MIT */
#include "node/host/tunnel_events.h"

#include "testing.h"
#include "tunnel/member/member.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct tunnel_events events;

struct ear {
    struct tunnel_listener listener;
    unsigned heard;
    struct ear *silences; /* whom it unlistens when it hears something */
    struct ear *wakes;
    bool repeats; /* makes one more event happen */
};

static void tell(enum member_event_kind kind, uint32_t circuit)
{
    struct member_event event = {.kind = kind, .circuit = circuit};

    tunnel_events_tell(&events, &event);
}

static void on_event(void *arg, const struct member_event *event)
{
    struct ear *ear = arg;

    ear->heard++;
    if (ear->silences != NULL)
        tunnel_events_unlisten(&events, &ear->silences->listener);
    if (ear->wakes != NULL)
        tunnel_events_listen(&events, &ear->wakes->listener);
    ear->wakes = NULL;
    if (ear->repeats) {
        ear->repeats = false;
        tell(event->kind, event->circuit);
    }
}

static void listen(struct ear *ear, uint32_t circuit, unsigned kinds)
{
    ear->listener = (struct tunnel_listener){
        .arg = ear, .circuit = circuit, .kinds = kinds, .event = on_event};
    tunnel_events_listen(&events, &ear->listener);
}

static int setup(void **state)
{
    (void)state;
    memset(&events, 0, sizeof(events));
    return 0;
}

static void test_tunnel_events_are_filtered(void **state)
{
    struct ear all = {0}, two = {0}, data = {0}, both = {0};

    (void)state;
    listen(&all, 0, 0);
    listen(&two, 2, 0);
    listen(&data, 0, TUNNEL_HEARS(MEMBER_DATA) | TUNNEL_HEARS(MEMBER_PONG));
    listen(&both, 2, TUNNEL_HEARS(MEMBER_DATA));
    tell(MEMBER_CIRCUIT_READY, 1);
    tell(MEMBER_CIRCUIT_READY, 2);
    tell(MEMBER_DATA, 1);
    tell(MEMBER_PONG, 2);
    tell(MEMBER_DATA, 2);
    assert_int_equal(all.heard, 5);
    assert_int_equal(two.heard, 3);
    assert_int_equal(data.heard, 3);
    assert_int_equal(both.heard, 1);
}

/* Listeners hear in the reverse order of their coming. */
static void test_tunnel_events_listeners_may_go_meanwhile(void **state)
{
    struct ear ears[4] = {0};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(ears); i++)
        listen(&ears[i], 0, 0);
    ears[3].silences = &ears[2]; /* the next in turn */
    ears[1].silences = &ears[1]; /* itself */
    tell(MEMBER_DATA, 1);
    assert_int_equal(ears[3].heard, 1);
    assert_int_equal(ears[2].heard, 0);
    assert_int_equal(ears[1].heard, 1);
    assert_int_equal(ears[0].heard, 1);
    tell(MEMBER_DATA, 1);
    assert_int_equal(ears[1].heard, 1);
    assert_int_equal(ears[0].heard, 2);
    tunnel_events_unlisten(&events, &ears[1].listener); /* again: nothing */
}

/* An event that a listener causes is told to all, also while another one
 * walks over those that are taken out. */
static void test_tunnel_events_nest(void **state)
{
    struct ear ears[3] = {0};

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(ears); i++)
        listen(&ears[i], 0, 0);
    ears[2].repeats = true;
    ears[1].silences = &ears[1];
    tell(MEMBER_DATA, 1);
    assert_int_equal(ears[2].heard, 2);
    assert_int_equal(ears[1].heard, 1);
    assert_int_equal(ears[0].heard, 2);
    assert_null(events.walks);
}

static void test_tunnel_events_newcomers_hear_the_next(void **state)
{
    struct ear old = {0}, fresh = {0};

    (void)state;
    fresh.listener = (struct tunnel_listener){.arg = &fresh, .event = on_event};
    listen(&old, 0, 0);
    old.wakes = &fresh;
    tell(MEMBER_DATA, 1);
    assert_int_equal(fresh.heard, 0);
    tell(MEMBER_DATA, 1);
    assert_int_equal(fresh.heard, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_tunnel_events_are_filtered),
        TEST(test_tunnel_events_listeners_may_go_meanwhile),
        TEST(test_tunnel_events_nest),
        TEST(test_tunnel_events_newcomers_hear_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
