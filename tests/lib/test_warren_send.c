/* SPDX-License-Identifier: MIT
 *
 * warren_tunnel_send, as a program has it: a datagram, its answer, and every
 * other way to end.
 */
#include "warren_nodes.h"

#define RELAYS  3
#define REFUSES "127.1.1.1:9" /* the exit's policy does */
#define SILENT  address(201)

struct sent {
    unsigned done;
    int error;
    struct warren_answer answer;
    char payload[64], why[64];
    uint16_t port;
};

static struct sent sent;

static void on_answer(void *arg, int error, const struct warren_answer *a)
{
    struct sent *s = arg;
    struct sockaddr_in from;

    s->done++;
    s->error = error;
    s->answer = *a;
    if (a->source != NULL) {
        assert_int_equal(a->source_len, sizeof(from));
        memcpy(&from, a->source, sizeof(from));
        s->port = ntohs(from.sin_port);
        assert_true(a->len < sizeof(s->payload));
        memcpy(s->payload, a->payload, a->len);
    }
    if (a->why.name != NULL)
        snprintf(s->why, sizeof(s->why), "%s", a->why.name);
}

static bool is_done(const struct node *n)
{
    (void)n;
    return sent.done > 0;
}

static struct warren_sending what(const char *to, const char *text)
{
    return (struct warren_sending){
        .destination = to, .payload = text, .len = strlen(text), .hops = 2};
}

static uint64_t send_it(const struct warren_sending *w)
{
    const struct warren_send_handler h = {&sent, on_answer};
    uint64_t request = 0;

    sent = (struct sent){0};
    assert_int_equal(warren_tunnel_send(nodes[CLIENT].w, w, &h, &request),
                     WARREN_OK);
    assert_true(request != 0);
    assert_int_equal(sent.done, 0);
    return request;
}

static void expect(int error)
{
    wait_for("it has ended", is_done, &nodes[CLIENT]);
    assert_int_equal(sent.done, 1);
    if (sent.error != error)
        fail_msg("%s, not %s", warren_error_text(sent.error),
                 warren_error_text(error));
}

static void answered(void)
{
    struct warren_sending w = what(ECHO, "hello");

    send_it(&w);
    expect(WARREN_OK);
    assert_string_equal(sent.payload, "hello");
    assert_int_equal(sent.port, PORT);
    assert_true(sent.answer.circuit != 0);
    assert_true(sent.answer.rtt > 0);
    assert_true(sent.answer.rtt <= sent.answer.duration);
}

static void isolated(void)
{
    struct warren_sending w = what(ECHO, "key");
    uint32_t of_first;

    w.isolation = 1;
    send_it(&w);
    expect(WARREN_OK);
    of_first = sent.answer.circuit;
    w.isolation = 2;
    send_it(&w);
    expect(WARREN_OK);
    assert_int_not_equal(sent.answer.circuit, of_first);
}

static void refused(void)
{
    struct warren_sending w = what(REFUSES, "x");

    send_it(&w);
    expect(WARREN_ERR_REFUSED);
    assert_string_equal(sent.why, "policy");
    assert_true(sent.answer.refusals > 0);
}

static void silent(void)
{
    struct warren_sending w = what(SILENT, "x");

    w.timeout_ms = 3000;
    send_it(&w);
    expect(WARREN_ERR_TIMEOUT);
    assert_int_equal(sent.answer.exit_answers, 1);
    assert_true(sent.answer.duration >= 3000000000);
}

static void wrong(void)
{
    static const char large[70000];
    struct warren *w = nodes[CLIENT].w;
    struct warren_sending s = what("no port", "x");

    assert_int_equal(warren_tunnel_send(w, &s, NULL, NULL),
                     WARREN_ERR_ARGUMENT);
    s.destination = "localhost:7";
    assert_int_equal(warren_tunnel_send(w, &s, NULL, NULL),
                     WARREN_ERR_UNSUPPORTED);
    s.destination = ECHO;
    s.hops = 5;
    assert_int_equal(warren_tunnel_send(w, &s, NULL, NULL),
                     WARREN_ERR_ARGUMENT);
    s.hops = 2;
    s.payload = large;
    s.len = sizeof(large);
    assert_int_equal(warren_tunnel_send(w, &s, NULL, NULL),
                     WARREN_ERR_TOO_LARGE);
}

static void test_warren_send(void **state)
{
    struct event *echo = echo_new();
    struct warren_sending w = what(ECHO, "x");

    const struct warren_setting exit[] = {
        {"exit.become_exitnode", "true"},
        {"exit.policy", "reject *:9, accept *"}};

    (void)state;
    start_with(EXIT, exit, COUNT_OF(exit), NULL);
    for (unsigned i = 1; i < RELAYS; i++)
        start(i, NULL);
    start(CLIENT, NULL);
    answered(); /* without a pool before it */
    assert_true(warren_tunnels_ready(nodes[CLIENT].w) == 0.0);
    warren_build_tunnels(nodes[CLIENT].w, 2);
    wait_for("circuits", is_ready, &nodes[CLIENT]);
    answered();
    isolated();
    refused();
    silent();
    wrong();
    assert_int_equal(warren_tunnel_send(nodes[CLIENT].w, &w, NULL, NULL),
                     WARREN_OK);
    warren_tunnel_send_cancel(nodes[CLIENT].w, send_it(&w));
    run_until(is_done, &nodes[CLIENT], 1);
    assert_int_equal(sent.done, 0);
    w.destination = SILENT;
    send_it(&w);
    stop(CLIENT);
    assert_int_equal(sent.done, 1);
    assert_int_equal(sent.error, WARREN_ERR_CANCELLED);
    for (unsigned i = 0; i < RELAYS; i++)
        stop(i);
    echo_free(echo);
}

/* Nobody is known: the time runs out. */
static void test_warren_send_without_relays(void **state)
{
    struct warren_sending w = what("192.0.2.1:53", "x");

    (void)state;
    start(CLIENT, NULL);
    w.timeout_ms = 1000;
    send_it(&w);
    expect(WARREN_ERR_NO_NODES);
    assert_int_equal(sent.answer.circuit, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_send, stop_all),
        cmocka_unit_test_teardown(test_warren_send_without_relays, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
