/* SPDX-License-Identifier: MIT
 *
 * Streams as programs have them: to a server through an exit, and between
 * peers of a service; what is not taken, halves that end, resets, refusals, and
 * callbacks that reset. Node 0 is an exit.
 */
#include "warren_services.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#define SERVER address(200) /* a TCP server that says again what it hears */
#define LARGE  (3 * 1000 * 1000)

/* A stream, and what was heard of it. */
struct flow {
    struct warren_stream *st;
    unsigned opened, ends, writable, closed;
    unsigned heard; /* bytes */
    int error;
    char why[32];
    uint32_t sum;      /* of the bytes, in their order */
    size_t takes;      /* at a time; 0: all of it */
    unsigned offered;  /* calls of on_data */
    unsigned to_write; /* bytes of the pattern that are still to be written */
    unsigned written;
    bool shuts, echoes, resets_on_data, holds;
};

static struct flow here, there; /* the opener's, the listener's */
static unsigned visits;
static int takes_visits = 1;
static struct warren_peer visitor;

static uint8_t pattern(unsigned at)
{
    return (uint8_t)(at * 2654435761u >> 24);
}

static uint32_t sum_of(uint32_t sum, uint8_t byte)
{
    return sum * 16777619 + byte;
}

static uint32_t sum_of_pattern(unsigned len)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < len; i++)
        sum = sum_of(sum, pattern(i));
    return sum;
}

/* As much as there is room for. */
static void write_pattern(struct flow *f)
{
    uint8_t buf[20000];

    while (f->to_write > 0) {
        size_t len = f->to_write < sizeof(buf) ? f->to_write : sizeof(buf);
        size_t took;

        for (size_t i = 0; i < len; i++)
            buf[i] = pattern(f->written + (unsigned)i);
        took = warren_stream_write(f->st, buf, len);
        f->written += (unsigned)took;
        f->to_write -= (unsigned)took;
        if (took < len)
            return;
    }
    if (f->shuts)
        warren_stream_shutdown(f->st);
}

/* ---- Callbacks ---------------------------------------------------------- */

static void on_stream_opened(void *arg, struct warren_stream *st)
{
    struct flow *f = arg;

    assert_ptr_equal(st, f->st);
    f->opened++;
}

static size_t on_stream_data(void *arg, struct warren_stream *st,
                             const void *data, size_t len)
{
    struct flow *f = arg;
    const uint8_t *bytes = data;

    assert_true(len > 0 && f->closed == 0);
    assert_ptr_equal(st, f->st);
    f->offered++;
    if (f->resets_on_data) {
        f->st = NULL;
        warren_stream_reset(st);
        assert_int_equal(warren_stream_write(st, "x", 1), 0);
        return 1;
    }
    if (f->holds)
        return 0;
    if (f->takes > 0 && f->takes < len)
        len = f->takes;
    for (size_t i = 0; i < len; i++)
        f->sum = sum_of(f->sum, bytes[i]);
    f->heard += (unsigned)len;
    if (f->echoes)
        assert_int_equal(warren_stream_write(st, data, len), len);
    if (f->takes > 0)
        warren_stream_resume(st);
    return len;
}

static void on_stream_end(void *arg, struct warren_stream *st)
{
    struct flow *f = arg;

    f->ends++;
    if (f->echoes)
        warren_stream_shutdown(st);
}

static void on_stream_writable(void *arg, struct warren_stream *st)
{
    struct flow *f = arg;

    assert_ptr_equal(st, f->st);
    f->writable++;
    write_pattern(f);
}

static void on_stream_closed(void *arg, struct warren_stream *st, int error,
                             const struct warren_reason *why)
{
    struct flow *f = arg;

    assert_ptr_equal(st, f->st);
    assert_int_equal(why->name == NULL, error == WARREN_OK);
    assert_int_equal(warren_stream_write(st, "x", 1), 0);
    warren_stream_resume(st); /* nothing of it has an effect any more */
    warren_stream_shutdown(st);
    warren_stream_reset(st);
    f->error = error;
    snprintf(f->why, sizeof(f->why), "%s", why->name == NULL ? "" : why->name);
    f->st = NULL;
    f->closed++;
}

static struct warren_stream_handler handler_of(struct flow *f)
{
    return (struct warren_stream_handler){.arg = f,
                                          .on_opened = on_stream_opened,
                                          .on_data = on_stream_data,
                                          .on_end = on_stream_end,
                                          .on_writable = on_stream_writable,
                                          .on_closed = on_stream_closed};
}

static int on_stream(void *arg, struct warren_stream *st,
                     const struct warren_peer *peer, uint16_t port,
                     struct warren_stream_handler *handler)
{
    struct flow *f = arg;

    assert_int_equal(port, 80);
    visitor = *peer;
    visitor.key = NULL;
    visits++;
    if (!takes_visits)
        return 0;
    f->st = st;
    *handler = handler_of(f);
    return 1;
}

static int connect_to(unsigned i, const char *to, struct flow *f)
{
    struct warren_stream_handler h = handler_of(f);

    return warren_connect(nodes[i].w, 0, to, 3, &h, &f->st);
}

static void connect_ok(unsigned i, const char *to, struct flow *f)
{
    memset(f, 0, sizeof(*f));
    assert_int_equal(connect_to(i, to, f), WARREN_OK);
    assert_non_null(f->st);
    assert_int_equal(f->opened + f->closed, 0); /* not from within */
}

/* The same host, at another port. */
static void at_port(char out[TEXT], const char *to, unsigned port)
{
    int len = (int)(strrchr(to, ':') - to);

    snprintf(out, TEXT, "%.*s:%u", len, to, port);
}

/* ---- The server --------------------------------------------------------- */

static unsigned served;

static void on_server_read(struct bufferevent *bev, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void on_server_drained(struct bufferevent *bev, void *arg)
{
    (void)arg;
    shutdown(bufferevent_getfd(bev), SHUT_WR);
    bufferevent_free(bev);
}

static void on_server_event(struct bufferevent *bev, short what, void *arg)
{
    (void)arg;
    if (!(what & BEV_EVENT_EOF))
        bufferevent_free(bev);
    else if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        on_server_drained(bev, NULL);
    else
        bufferevent_setcb(bev, NULL, on_server_drained, on_server_event, NULL);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd,
                      struct sockaddr *from, int len, void *arg)
{
    struct bufferevent *bev =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    (void)l, (void)from, (void)len, (void)arg;
    served++;
    bufferevent_setcb(bev, on_server_read, NULL, on_server_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static struct evconnlistener *server_new(void)
{
    struct sockaddr_storage at;
    int len = sizeof(at);

    assert_int_equal(
        evutil_parse_sockaddr_port(SERVER, (struct sockaddr *)&at, &len), 0);
    served = 0;
    return evconnlistener_new_bind(base, on_accept, NULL,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                   -1, (struct sockaddr *)&at, len);
}

static void start_with_exit(void)
{
    const struct warren_setting leaves[] = {{"exit.become_exitnode", "true"},
                                            {"exit.policy", "accept *:*"},
                                            {"exit.tcp_policy", "accept *:*"}};

    start_with(0, leaves, COUNT_OF(leaves), NULL);
    for (unsigned i = 1; i < RELAYS; i++)
        start_with(i, NULL, 0, NULL);
    start_program(ALICE);
    start_program(BOB);
}

/* ---- Hosts -------------------------------------------------------------- */

static void test_warren_stream_through_an_exit(void **state)
{
    struct evconnlistener *server;
    char nobody[TEXT];

    (void)state;
    start_with_exit();
    server = server_new();
    assert_non_null(server);

    /* Written before anybody is there, and shut. */
    connect_ok(ALICE, SERVER, &here);
    assert_int_equal(warren_stream_write(here.st, "hello", 5), 5);
    warren_stream_shutdown(here.st);
    assert_int_equal(warren_stream_write(here.st, "more", 4), 0);
    wait_count("it is over", &here.closed, 1);
    assert_int_equal(here.error, WARREN_OK);
    assert_int_equal(here.heard, 5);
    assert_int_equal(here.opened, 1);
    assert_int_equal(here.ends, 1);
    assert_int_equal(served, 1);

    /* Much, both ways, and taken in bits. */
    connect_ok(ALICE, SERVER, &here);
    here.to_write = LARGE;
    here.shuts = true;
    here.takes = 10000;
    write_pattern(&here);
    assert_int_equal(here.written, WARREN_STREAM_EARLY);
    wait_count("all is back", &here.closed, 1);
    assert_int_equal(here.error, WARREN_OK);
    assert_true(here.writable > 0);
    assert_int_equal(here.heard, LARGE);
    assert_int_equal(here.sum, sum_of_pattern(LARGE));

    /* Nobody listens there. */
    at_port(nobody, SERVER, 1);
    connect_ok(ALICE, nobody, &here);
    wait_count("it is refused", &here.closed, 1);
    assert_int_equal(here.error, WARREN_ERR_REFUSED);
    assert_string_equal(here.why, "refused");
    assert_int_equal(here.opened, 0);

    /* One that waits, and one that is there, when the node ends. */
    connect_ok(ALICE, SERVER, &here);
    wait_count("it is there", &here.opened, 1);
    connect_ok(ALICE, SERVER, &there);
    stop(ALICE);
    assert_int_equal(here.closed + there.closed, 2);
    assert_int_equal(here.error, WARREN_ERR_CANCELLED);
    assert_string_equal(there.why, "shutdown");
    evconnlistener_free(server);
}

/* ---- Peers -------------------------------------------------------------- */

static char web[WARREN_ADDRESS_SIZE + 8];

static bool can_be_found(const struct node *n)
{
    struct warren_service_state state;

    return warren_service_state(n->w, programs[ALICE].service, &state) ==
               WARREN_OK &&
           state.published && state.points > 0;
}

static void serve(void)
{
    char address[WARREN_ADDRESS_SIZE];
    const struct warren_stream_listener l = {.arg = &there,
                                             .on_stream = on_stream};

    assert_int_equal(warren_new_service(nodes[ALICE].w, address), WARREN_OK);
    assert_int_equal(register_it(ALICE, address, 1), WARREN_OK);
    snprintf(web, sizeof(web), "%s:80", address);
    assert_int_equal(
        warren_listen(nodes[ALICE].w, programs[ALICE].service, 80, &l),
        WARREN_OK);
    wait_for("it can be found", can_be_found, &nodes[ALICE]);
}

static void visit(struct flow *f)
{
    memset(&there, 0, sizeof(there));
    visits = 0;
    connect_ok(BOB, web, f);
}

static void expect_refused(const char *to, const char *why)
{
    connect_ok(BOB, to, &here);
    wait_count("it is refused", &here.closed, 1);
    assert_int_equal(here.error, WARREN_ERR_REFUSED);
    assert_string_equal(here.why, why);
}

static void visit_and_talk(void)
{
    visit(&here);
    there.echoes = true;
    here.to_write = 100000;
    here.shuts = true;
    write_pattern(&here);
    wait_count("all is back", &here.closed, 1);
    wait_count("on the other side too", &there.closed, 1);
    assert_int_equal(here.error, WARREN_OK);
    assert_int_equal(there.error, WARREN_OK);
    assert_int_equal(here.heard, 100000);
    assert_int_equal(here.sum, sum_of_pattern(100000));
    assert_int_equal(visits, 1);
    assert_int_equal(there.opened, 0);
    assert_int_equal(visitor.service, programs[ALICE].service);
    assert_int_equal(visitor.id, programs[ALICE].peer.id); /* it was told */
}

/* What is not taken stays there until it is asked for. */
static void take_nothing_for_a_while(void)
{
    visit(&here);
    there.holds = true;
    here.to_write = 50;
    write_pattern(&here);
    wait_count("some is offered", &there.offered, 1);
    stay_below(&there.offered, there.offered + 1);
    there.holds = false;
    there.takes = 1;
    there.offered = 0;
    warren_stream_resume(there.st);
    warren_stream_resume(there.st);
    assert_int_equal(there.offered, 0); /* not from within */
    wait_count("bit by bit", &there.heard, 50);
    assert_int_equal(there.offered, 50);
    stay_below(&there.offered, 51);
    assert_int_equal(there.sum, sum_of_pattern(50));
}

static void break_off(void)
{
    warren_stream_reset(here.st);
    wait_count("it is broken off", &there.closed, 1);
    assert_int_equal(there.error, WARREN_ERR_FAILED);
    assert_string_equal(there.why, "requested");
    assert_int_equal(here.closed, 0);
}

static void reset_in_a_callback(void)
{
    visit(&here);
    there.resets_on_data = true;
    warren_stream_write(here.st, "x", 1);
    wait_count("it is broken off", &here.closed, 1);
    /* Also before the word that it was taken has left. */
    assert_true(here.error == WARREN_ERR_FAILED ||
                here.error == WARREN_ERR_REFUSED);
    assert_int_equal(there.offered, 1);
    assert_int_equal(there.closed, 0);
}

static void test_warren_stream_of_peers(void **state)
{
    struct warren *alice;
    char other[TEXT], back[WARREN_PEER_SIZE + 8];

    (void)state;
    start_network();
    alice = nodes[ALICE].w;
    serve();
    visit_and_talk();
    take_nothing_for_a_while();
    break_off();
    reset_in_a_callback();

    at_port(other, web, 81);
    expect_refused(other, "refused");
    takes_visits = 0;
    expect_refused(web, "refused");
    takes_visits = 1;
    snprintf(back, sizeof(back), "%s:80", visitor.destination);
    connect_ok(ALICE, back, &here); /* Bob listens to nobody */
    wait_count("it is refused", &here.closed, 1);
    assert_string_equal(here.why, "refused");

    assert_int_equal(warren_listen(alice, programs[ALICE].service, 80, NULL),
                     WARREN_OK);
    expect_refused(web, "refused");
    serve();
    visit(&here);
    wait_count("it is there", &here.opened, 1);
    assert_int_equal(warren_unregister_service(alice, programs[ALICE].service),
                     WARREN_OK);
    wait_count("it is over", &here.closed, 1);
    assert_int_equal(here.error, WARREN_ERR_FAILED);
    wait_count("on the other side too", &there.closed, 1);
    assert_int_equal(there.error, WARREN_ERR_FAILED);
}

/* Two members of a string, each opens to the other. */
static void test_warren_stream_of_a_string(void **state)
{
    const struct warren_stream_listener l = {.arg = &there,
                                             .on_stream = on_stream};
    static const unsigned who[] = {ALICE, BOB};
    char to[WARREN_PEER_SIZE + 8];

    (void)state;
    start_network();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(register_it(who[i], "a string", 1), WARREN_OK);
        assert_int_equal(
            warren_listen(nodes[who[i]].w, programs[who[i]].service, 80, &l),
            WARREN_OK);
    }
    for (unsigned i = 0; i < 2; i++)
        wait_count("they find each other", &programs[who[i]].told, 1);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(to, sizeof(to), "%s:80", programs[who[i]].peer.destination);
        memset(&there, 0, sizeof(there));
        connect_ok(who[i], to, &here);
        there.echoes = true;
        here.to_write = 5;
        here.shuts = true;
        write_pattern(&here);
        wait_count("it is over", &here.closed, 1);
        wait_count("on the other side too", &there.closed, 1);
        assert_int_equal(here.error, WARREN_OK);
        assert_int_equal(there.error, WARREN_OK);
        assert_int_equal(here.sum, sum_of_pattern(5));
    }
}

/* ---- Beside a section --------------------------------------------------- */

static void write_config(char path[TEXT])
{
    FILE *f;

    snprintf(path, TEXT, "%s/section.ini", root);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[service club]\nstring = a string\nport = 80 tcp %s\n", SERVER);
    assert_int_equal(fclose(f), 0);
}

static void say_hello(const char *to)
{
    memset(&there, 0, sizeof(there));
    connect_ok(BOB, to, &here);
    there.echoes = true;
    warren_stream_write(here.st, "hello", 5);
    warren_stream_shutdown(here.st);
    wait_count("it is over", &here.closed, 1);
    assert_int_equal(here.error, WARREN_OK);
    assert_int_equal(here.heard, 5);
}

/* The program comes first, and the section has what is left. */
static void test_warren_stream_beside_a_section(void **state)
{
    const struct warren_stream_listener l = {.arg = &there,
                                             .on_stream = on_stream};
    struct evconnlistener *server = server_new();
    char path[TEXT], to[WARREN_PEER_SIZE + 8];

    (void)state;
    write_config(path);
    for (unsigned i = 0; i < RELAYS; i++)
        start_with(i, NULL, 0, NULL);
    config_file = path;
    start_program(ALICE);
    config_file = NULL;
    start_program(BOB);
    assert_int_equal(register_it(BOB, "a string", 1), WARREN_OK);
    wait_count("Bob finds Alice", &programs[BOB].told, 1);
    snprintf(to, sizeof(to), "%s:80", programs[BOB].peer.destination);
    visits = 0;
    say_hello(to);
    assert_int_equal(served, 1);

    assert_int_equal(register_it(ALICE, "a string", 1), WARREN_OK);
    assert_int_equal(
        warren_listen(nodes[ALICE].w, programs[ALICE].service, 80, &l),
        WARREN_OK);
    say_hello(to);
    assert_int_equal(visits, 1);
    wait_count("on the other side too", &there.closed, 1);
    assert_int_equal(
        warren_unregister_service(nodes[ALICE].w, programs[ALICE].service),
        WARREN_OK);
    say_hello(to);
    assert_int_equal(visits, 1);
    assert_int_equal(served, 2);
    evconnlistener_free(server);
}

/* ---- What is wrong ------------------------------------------------------ */

static void test_warren_stream_arguments(void **state)
{
    static const struct {
        const char *to;
        int error;
    } cases[] = {
        {"", WARREN_ERR_ARGUMENT},
        {"example.org", WARREN_ERR_ARGUMENT},
        {"example.org:0", WARREN_ERR_ARGUMENT},
        {"example.org:65536", WARREN_ERR_ARGUMENT},
        {"2001:db8::1:80", WARREN_ERR_ARGUMENT},
        {"0.0.0.0:80", WARREN_ERR_ARGUMENT},
        {"localhost:80", WARREN_ERR_UNSUPPORTED},
        {"nobody.warren:80", WARREN_ERR_ARGUMENT},
        {"nobody.warren", WARREN_ERR_ARGUMENT},
        {"p7.peer.warren:80", WARREN_ERR_NOT_FOUND},
        {"p7.peer.warren:0", WARREN_ERR_ARGUMENT},
        {"p7.peer.warren", WARREN_ERR_ARGUMENT},
    };
    const struct warren_stream_listener l = {0};
    struct warren *w;

    (void)state;
    start_program(ALICE);
    w = nodes[ALICE].w;
    memset(&here, 0, sizeof(here));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(connect_to(ALICE, cases[i].to, &here), cases[i].error);
    assert_int_equal(warren_connect(w, 0, "[2001:db8::1]:80", 0, NULL, NULL),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_connect(w, 0, "[2001:db8::1]:80", 5, NULL, NULL),
                     WARREN_ERR_ARGUMENT);
    assert_null(here.st);
    assert_int_equal(warren_listen(w, 1, 80, &l), WARREN_ERR_NOT_FOUND);
    assert_int_equal(register_it(ALICE, "a string", 1), WARREN_OK);
    assert_int_equal(warren_listen(w, programs[ALICE].service, 0, &l),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_listen(w, programs[ALICE].service, 80, &l),
                     WARREN_OK);

    /* No relays: it waits until it is reset, or the node ends. */
    assert_int_equal(warren_connect(w, 0, "[2001:db8::1]:80", 4, NULL, NULL),
                     WARREN_OK);
    connect_ok(ALICE, "example.org:80", &here);
    assert_int_equal(warren_stream_write(here.st, "x", 1), 1);
    warren_stream_reset(here.st);
    run_until(is_ready, &nodes[ALICE], 1);
    assert_int_equal(here.closed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_stream_through_an_exit, stop_all),
        cmocka_unit_test_teardown(test_warren_stream_of_peers, stop_all),
        cmocka_unit_test_teardown(test_warren_stream_of_a_string, stop_all),
        cmocka_unit_test_teardown(test_warren_stream_beside_a_section,
                                  stop_all),
        cmocka_unit_test_teardown(test_warren_stream_arguments, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
