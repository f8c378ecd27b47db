/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "tunnel/member/speedtest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t key[SOURCE_KEY_BYTES] = {1};

#define NOW    (1000 * TIME_S)
#define STEP   (100 * TIME_US)
#define FLIGHT 4096

struct message {
    uint64_t nonce, at;
    size_t len;
    uint8_t pad[SPEEDTEST_PAD_MAX];
};

/* Client, hop, and a way there and back. Each way takes `delay`, loses in a
 * thousand, and carries one message in `spacing` (0: any number); a queue of
 * 100 messages before it drops the rest. */
struct path {
    struct speedtest *client;
    struct speedtest_gate gate;
    struct speedtest_hop hop;
    struct test_random random;
    uint64_t delay, spacing, free_at;
    unsigned lose_forward, lose_backward;
    struct message ways[2][FLIGHT];
    unsigned head[2], tail[2];
    unsigned lost[2];
};

static struct speedtest_config config(void)
{
    return (struct speedtest_config){.id = 0xabcdef01,
                                     .duration = 2 * TIME_S,
                                     .window = 512,
                                     .pad = 1200,
                                     .answer_pad = 1200};
}

static struct path *path_new(const struct speedtest_config *c)
{
    struct path *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    assert_int_equal(speedtest_new(c, &p->client), OK);
    speedtest_gate_init(&p->gate, 1000000, 1000000, key);
    p->random = test_seed(1);
    p->delay = 10 * TIME_MS;
    return p;
}

static void path_free(struct path *p)
{
    speedtest_free(p->client);
    free(p);
}

static void put(struct path *p, unsigned way, uint64_t nonce, struct bytes pad,
                uint64_t now)
{
    unsigned lose = way == 0 ? p->lose_forward : p->lose_backward;
    struct message *m;

    if (test_random_below(&p->random, 1000) < lose) {
        p->lost[way]++;
        return;
    }
    if (way == 0 && p->spacing > 0) {
        if (p->free_at < now)
            p->free_at = now;
        if (p->free_at - now > 100 * p->spacing) {
            p->lost[way]++;
            return;
        }
        p->free_at += p->spacing;
        now = p->free_at;
    }
    m = &p->ways[way][p->tail[way]++ % FLIGHT];
    assert_true(p->tail[way] - p->head[way] <= FLIGHT);
    m->nonce = nonce;
    m->at = now + p->delay;
    m->len = pad.len;
    memcpy(m->pad, pad.p, pad.len);
}

static struct message *get(struct path *p, unsigned way, uint64_t now)
{
    struct message *m = &p->ways[way][p->head[way] % FLIGHT];

    if (p->head[way] == p->tail[way] || m->at > now)
        return NULL;
    p->head[way]++;
    return m;
}

static void step(struct path *p, uint64_t now)
{
    uint8_t pad[SPEEDTEST_PAD_MAX];
    struct message *m;
    uint64_t nonce;

    while ((m = get(p, 0, now)) != NULL) {
        uint8_t answer[SPEEDTEST_PAD_MAX];
        size_t len;

        if (speedtest_answer(&p->gate, &p->hop, m->nonce,
                             bytes_of(m->pad, m->len), now, answer, &len) == OK)
            put(p, 1, m->nonce, bytes_of(answer, len), now);
    }
    while ((m = get(p, 1, now)) != NULL)
        speedtest_receive(p->client, m->nonce, bytes_of(m->pad, m->len), now);
    if (speedtest_next_deadline(p->client) <= now)
        speedtest_tick(p->client, now);
    while (speedtest_next(p->client, now, &nonce, pad))
        put(p, 0, nonce, bytes_of(pad, 1200), now);
}

static struct speedtest_report run(struct path *p)
{
    struct speedtest_report r;
    uint64_t now = NOW;

    for (; !speedtest_is_done(p->client, now); now += STEP) {
        step(p, now);
        assert_true(now < NOW + 20 * TIME_S);
    }
    speedtest_get_report(p->client, &r);
    assert_int_equal(r.under_way, 0);
    assert_int_equal(r.answered + r.lost, r.sent);
    assert_int_equal(r.lost_forward + r.lost_backward + r.refused, r.lost);
    return r;
}

static void test_speedtest_measures_the_round_trip(void **state)
{
    struct speedtest_config c = config();
    struct path *p = path_new(&c);
    struct speedtest_report r = run(p);

    (void)state;
    assert_int_equal(r.lost, 0);
    assert_in_range(r.rtt_min, 20 * TIME_MS, 21 * TIME_MS);
    assert_in_range(r.rtt_mean, 20 * TIME_MS, 21 * TIME_MS);
    assert_in_range(r.elapsed, 2 * TIME_S, 2 * TIME_S + 50 * TIME_MS);
    /* A window of 512 in every 20 ms, once it is open. */
    assert_in_range(r.sent, 40000, 51200);
    path_free(p);
}

static void test_speedtest_finds_the_bottleneck(void **state)
{
    struct speedtest_config c = config();
    struct path *p = path_new(&c);
    struct speedtest_report r;

    (void)state;
    p->spacing = 200 * TIME_US; /* 5000 a second: 6 MB/s */
    r = run(p);
    assert_in_range(r.up, 5100000, 6100000);
    assert_in_range(r.down, 5100000, 6100000);
    assert_int_equal(r.lost, p->lost[0]);
    assert_in_range(r.lost_forward + 8, r.lost, r.lost + 8);
    assert_true(r.lost > 0 && r.lost < r.sent / 20);
    path_free(p);
}

static void test_speedtest_tells_which_way_loses(void **state)
{
    static const unsigned losses[][2] = {{50, 0}, {0, 50}, {30, 60}};
    struct speedtest_config c = config();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(losses); i++) {
        struct path *p = path_new(&c);
        struct speedtest_report r;

        p->lose_forward = losses[i][0];
        p->lose_backward = losses[i][1];
        r = run(p);
        assert_int_equal(r.lost, p->lost[0] + p->lost[1]);
        assert_in_range(r.lost_forward + 10, p->lost[0], p->lost[0] + 20);
        assert_in_range(r.lost_backward + 10, p->lost[1], p->lost[1] + 20);
        assert_true(r.lost > 20);
        path_free(p);
    }
}

static void test_speedtest_survives_a_dead_hop(void **state)
{
    struct speedtest_config c = config();
    struct path *p = path_new(&c);
    struct speedtest_report r;

    (void)state;
    p->lose_forward = 1000;
    r = run(p);
    assert_int_equal(r.answered + r.up + r.down + r.rtt_mean, 0);
    assert_int_equal(r.elapsed, 0);
    assert_in_range(r.sent, 16, 32);
    path_free(p);
}

static void test_speedtest_reports_what_the_hop_refused(void **state)
{
    struct speedtest_config c = config();
    struct path *p = path_new(&c);
    struct speedtest_report r;

    (void)state;
    speedtest_gate_init(&p->gate, 1000000, 500, key);
    r = run(p);
    assert_in_range(r.answered, 900, 500 * 21 / 10 + 50);
    assert_in_range(r.refused, 1, r.lost);
    assert_true(r.lost - r.refused <= 10);
    assert_int_equal(r.lost_forward, 0);
    path_free(p);
}

/* The counts in answers are of one test: another begins with none. */
static void test_speedtest_counts_each_test_anew(void **state)
{
    uint8_t pad[SPEEDTEST_PAD_MIN + 2] = {0}, out[SPEEDTEST_PAD_MAX];
    struct speedtest_gate gate;
    struct speedtest_hop hop = {.id = 0};
    uint32_t refused = 0;
    size_t len;

    (void)state;
    speedtest_gate_init(&gate, 10, 10, key); /* one at a time */
    for (uint64_t id = 1; id <= 3; id++) {
        for (uint32_t n = 0; n < 5; n++) {
            uint64_t now = NOW + (id * 100 + n) * TIME_S;

            assert_int_equal(speedtest_answer(&gate, &hop, id << 32 | n,
                                              bytes_of(pad, sizeof(pad)), now,
                                              out, &len),
                             OK);
            assert_int_equal(bytes_get_number(out, 4), 2 * n + 1);
            assert_int_equal(bytes_get_number(out + 4, 4), n);
            refused += speedtest_answer(&gate, &hop, id << 32 | n,
                                        bytes_of(pad, sizeof(pad)), now, out,
                                        &len) == ERR_RATE_LIMITED;
        }
    }
    assert_int_equal(refused, 15);
}

static void test_speedtest_answer_is_never_larger(void **state)
{
    struct test_random r = test_seed(4);
    struct speedtest_gate gate;
    struct speedtest_hop hop = {0};

    (void)state;
    speedtest_gate_init(&gate, 1000000, 1000000, key);
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = test_random_below(&r, SPEEDTEST_PAD_MAX + 1), out_len = 0;
        uint8_t *pad = malloc(len + 1), *out = malloc(len + 1);
        unsigned wanted;
        enum error e;

        assert_true(pad != NULL && out != NULL);
        test_random_fill(&r, pad, len + 1);
        out[len] = 0x5a;
        e = speedtest_answer(&gate, &hop, test_random_next(&r),
                             bytes_of(pad, len), NOW + i * TIME_MS, out,
                             &out_len);
        assert_int_equal(e, len < SPEEDTEST_PAD_MIN ? ERR_WRONG_LENGTH : OK);
        assert_true(out_len <= len);
        assert_int_equal(out[len], 0x5a);
        if (e == OK) {
            wanted = (unsigned)pad[0] << 8 | pad[1];
            assert_int_equal(out_len, wanted > len ? len
                                      : wanted < SPEEDTEST_PAD_MIN
                                          ? SPEEDTEST_PAD_MIN
                                          : wanted);
        }
        free(pad);
        free(out);
    }
}

static unsigned answers(struct speedtest_gate *gate, struct speedtest_hop *hop,
                        uint64_t now)
{
    uint8_t pad[SPEEDTEST_PAD_MIN] = {0};
    unsigned count = 0;
    size_t len;

    for (unsigned i = 0; i < 1000; i++)
        count += speedtest_answer(gate, hop, 7, bytes_of(pad, sizeof(pad)), now,
                                  pad, &len) == OK;
    return count;
}

/* A hop that answers the first TESTs and then no more, and says of all of
 * them that they came: its rates look as if it had gone on like this. What is
 * proven is what came back in the whole time. */
static void test_speedtest_proves_what_came_back(void **state)
{
    struct speedtest_config c = config();
    struct path *p = path_new(&c);
    struct speedtest_report r;
    uint64_t now = NOW;

    (void)state;
    assert_int_equal(speedtest_proven(p->client), 0);
    for (; !speedtest_is_done(p->client, now); now += STEP) {
        p->lose_backward = now < NOW + 30 * TIME_MS ? 0 : 1000;
        p->hop.received += 1000;
        step(p, now);
    }
    speedtest_get_report(p->client, &r);
    assert_true(r.answered > 0 && r.up > 400000 && r.down > 400000);
    assert_int_equal(speedtest_proven(p->client), r.answered * 1200 / 2);
    path_free(p);

    p = path_new(&c);
    p->spacing = TIME_MS; /* 1.2 MB/s */
    r = run(p);
    assert_in_range(speedtest_proven(p->client), 1000000, r.down);
    path_free(p);
}

static void test_speedtest_caps_rates(void **state)
{
    static const struct endpoint ours = {.addr = {66, 6, 1, 1}},
                                 near = {.addr = {66, 6, 2, 2}},
                                 far = {.addr = {20, 1, 1, 1}};
    struct speedtest_hop a, b, c;
    struct speedtest_gate gate;

    (void)state;
    speedtest_gate_init(&gate, 1000, 400, key);
    speedtest_hop_init(&a, &gate, &ours);
    speedtest_hop_init(&b, &gate, &near);
    speedtest_hop_init(&c, &gate, &far);
    assert_int_equal(answers(&gate, &a, NOW), 40);
    /* One network has half, and leaves the rest to others. */
    assert_int_equal(answers(&gate, &b, NOW), 10);
    assert_int_equal(answers(&gate, &c, NOW), 40);
    assert_int_equal(answers(&gate, &a, NOW + TIME_S), 40);
    assert_int_equal(a.received, 2000);
    assert_int_equal(a.refused, 1920);
}

static void test_speedtest_takes_no_false_answers(void **state)
{
    struct speedtest_config c = config();
    uint8_t pad[SPEEDTEST_PAD_MAX];
    struct speedtest_report r;
    struct speedtest *s;
    uint64_t nonce;

    (void)state;
    assert_int_equal(speedtest_new(&c, &s), OK);
    assert_int_equal(speedtest_receive(s, 0, bytes_of(pad, 1200), NOW),
                     ERR_UNEXPECTED);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(speedtest_next(s, NOW, &nonce, pad));
        assert_int_equal(nonce, UINT64_C(0xabcdef01) << 32 | i);
    }
    assert_false(speedtest_next(s, NOW, &nonce, pad));
    memset(pad, 0xff, sizeof(pad)); /* counts that cannot be */
    assert_int_equal(speedtest_receive(s, nonce + 1, bytes_of(pad, 1200), NOW),
                     ERR_UNEXPECTED);
    assert_int_equal(
        speedtest_receive(s, (uint32_t)nonce, bytes_of(pad, 1200), NOW),
        ERR_UNEXPECTED);
    assert_int_equal(speedtest_receive(s, nonce, bytes_of(pad, 1199), NOW),
                     ERR_WRONG_LENGTH);
    assert_int_equal(
        speedtest_receive(s, nonce, bytes_of(pad, 1200), NOW + TIME_S), OK);
    assert_int_equal(
        speedtest_receive(s, nonce, bytes_of(pad, 1200), NOW + TIME_S),
        ERR_UNEXPECTED);
    speedtest_get_report(s, &r);
    assert_int_equal(r.answered, 1);
    assert_int_equal(r.up, 16 * 1200); /* no more than was sent */
    assert_int_equal(r.down, 1200);
    assert_int_equal(r.rtt_mean, TIME_S);
    speedtest_free(s);
}

/* What is answered after it was given up is no loss after all. */
static void test_speedtest_takes_late_answers(void **state)
{
    struct speedtest_config c = config();
    uint8_t pad[SPEEDTEST_PAD_MAX];
    struct speedtest_report r;
    struct speedtest *s;
    uint64_t nonce;

    (void)state;
    assert_int_equal(speedtest_new(&c, &s), OK);
    while (speedtest_next(s, NOW, &nonce, pad))
        ;
    assert_int_equal(speedtest_next_deadline(s), NOW + 2 * TIME_S);
    speedtest_tick(s, NOW + 2 * TIME_S);
    speedtest_get_report(s, &r);
    assert_int_equal(r.lost, 16);
    assert_int_equal(speedtest_next_deadline(s), TIME_NEVER);
    assert_true(speedtest_is_done(s, NOW + 2 * TIME_S));
    memset(pad, 0, sizeof(pad));
    assert_int_equal(
        speedtest_receive(s, nonce, bytes_of(pad, 1200), NOW + 3 * TIME_S), OK);
    speedtest_get_report(s, &r);
    assert_int_equal(r.lost, 15);
    assert_int_equal(r.answered, 1);
    speedtest_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_speedtest_measures_the_round_trip),
        cmocka_unit_test(test_speedtest_finds_the_bottleneck),
        cmocka_unit_test(test_speedtest_tells_which_way_loses),
        cmocka_unit_test(test_speedtest_survives_a_dead_hop),
        cmocka_unit_test(test_speedtest_reports_what_the_hop_refused),
        cmocka_unit_test(test_speedtest_counts_each_test_anew),
        cmocka_unit_test(test_speedtest_answer_is_never_larger),
        cmocka_unit_test(test_speedtest_proves_what_came_back),
        cmocka_unit_test(test_speedtest_caps_rates),
        cmocka_unit_test(test_speedtest_takes_no_false_answers),
        cmocka_unit_test(test_speedtest_takes_late_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
