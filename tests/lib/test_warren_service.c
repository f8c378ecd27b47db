/* SPDX-License-Identifier: MIT
 *
 * Hidden services as programs have them: two that register one string talk, a
 * service with a key is reached by its address, and what is wrong is refused.
 * No node is an exit.
 */
#include "warren_services.h"

#define CHAT "my service identifier"

static struct program *const alice = &programs[ALICE];
static struct program *const bob = &programs[BOB];
static struct program *const carol = &programs[CAROL];

/* ---- A string ----------------------------------------------------------- */

static void find_each_other(void)
{
    assert_int_equal(register_it(ALICE, CHAT, 1), WARREN_OK);
    assert_int_equal(alice->states + alice->told, 0); /* not from within */
    assert_int_equal(register_it(BOB, CHAT, 1), WARREN_OK);
    wait_count("Alice finds Bob", &alice->told, 1);
    wait_count("Bob finds Alice", &bob->told, 1);
    assert_true(alice->states > 0);
    assert_true(alice->has_key && bob->has_key);
    assert_int_equal(alice->peer.opened + bob->peer.opened, 1);
    assert_int_equal(alice->peer.service, alice->service);
}

static void talk(void)
{
    static const char large[9601];
    const char *to = alice->peer.destination;
    struct warren *w = nodes[ALICE].w;

    assert_int_equal(answer(ALICE, "", "my message to this peer"), WARREN_OK);
    wait_count("Bob hears", &bob->heard, 1);
    assert_string_equal(bob->last, "my message to this peer");
    assert_int_equal(bob->port, 0);
    assert_int_equal(answer(BOB, ":53", "answer"), WARREN_OK);
    wait_count("Alice hears", &alice->heard, 1);
    assert_string_equal(alice->last, "answer");
    assert_int_equal(alice->port, 53);

    assert_int_equal(warren_tunnel_data(w, 77, to, "data", large, 9600),
                     WARREN_OK);
    wait_count("a long one comes in one", &bob->heard, 2);
    assert_int_equal(bob->last_len, 9600);
    assert_int_equal(warren_tunnel_data(w, 0, to, "data", large, 9601),
                     WARREN_ERR_TOO_LARGE);
    assert_int_equal(warren_tunnel_data(w, 0, to, "stream", "x", 1),
                     WARREN_ERR_UNSUPPORTED);
}

/* The second registration has the callbacks; nobody is told again. */
static void register_again(void)
{
    uint32_t before = alice->service;
    struct program other = {0};
    struct warren_service_options o = options_of(ALICE);

    o.arg = &other;
    assert_int_equal(
        warren_register_service(nodes[ALICE].w, CHAT, 2, &o, &other.service),
        WARREN_OK);
    assert_int_equal(other.service, before);
    assert_int_equal(answer(BOB, "", "to the other"), WARREN_OK);
    wait_count("the other hears", &other.heard, 1);
    assert_int_equal(other.told + other.states, 0);
    assert_int_equal(register_it(ALICE, CHAT, 1), WARREN_OK);
    assert_int_equal(alice->service, before);
}

static void test_warren_service_string(void **state)
{
    (void)state;
    start_network();
    find_each_other();
    talk();
    register_again();

    assert_int_equal(warren_unregister_service(nodes[BOB].w, bob->service),
                     WARREN_OK);
    assert_int_equal(warren_unregister_service(nodes[BOB].w, bob->service),
                     WARREN_ERR_NOT_FOUND);
    assert_int_equal(answer(BOB, "", "x"), WARREN_ERR_NOT_FOUND);
    wait_count("Bob is gone", &alice->gone, 1);
    assert_int_equal(answer(ALICE, "", "x"), WARREN_ERR_NOT_FOUND);
    assert_int_equal(bob->gone, 0); /* nothing after it was unregistered */
    assert_int_equal(alice->told, 1);

    /* Registered anew, it is found again, as somebody else. */
    memcpy(bob->key, alice->key, sizeof(bob->key));
    assert_int_equal(register_it(BOB, CHAT, 1), WARREN_OK);
    wait_count("Alice finds Bob again", &alice->told, 2);
    assert_memory_not_equal(alice->key, bob->key, sizeof(bob->key));
    stop(ALICE);
    assert_int_equal(alice->gone, 2);
    assert_string_equal(alice->why, "shutdown");
    wait_count("Bob hears of it", &bob->gone, 1);
}

/* ---- A key -------------------------------------------------------------- */

static bool is_published(const struct node *n)
{
    struct warren_service_state state;

    assert_int_equal(warren_service_state(n->w, alice->service, &state),
                     WARREN_OK);
    return state.published && state.points > 0;
}

static void serve(const char *address)
{
    assert_int_equal(register_it(ALICE, address, 1), WARREN_OK);
    wait_for("it can be found", is_published, &nodes[ALICE]);
    assert_string_equal(alice->state, "fine");
}

/* Without a registration; then its peer is told when it registers. */
static void send_before_registering(const char *address)
{
    char to[WARREN_ADDRESS_SIZE + 8];

    snprintf(to, sizeof(to), "%s:53", address);
    assert_int_equal(say_to(BOB, to, "question"), WARREN_OK);
    wait_count("Alice is asked", &alice->heard, 1);
    assert_string_equal(alice->last, "question");
    assert_int_equal(alice->port, 53);
    assert_false(alice->has_key);
    assert_false(alice->peer.opened);
    assert_int_equal(register_it(BOB, address, 3), WARREN_OK);
    assert_int_equal(bob->told, 0);
    wait_count("Bob's peer is told", &bob->told, 1);
    assert_true(bob->has_key && bob->peer.opened);
    assert_int_equal(answer(ALICE, ":53", "answer"), WARREN_OK);
    wait_count("Bob is answered", &bob->heard, 1);
    assert_string_equal(bob->last, "answer");
}

static void close_and_connect_again(const char *address)
{
    char to[WARREN_ADDRESS_SIZE + 16];

    assert_int_equal(register_it(CAROL, address, 2), WARREN_OK);
    wait_count("Carol connects", &carol->told, 1);
    wait_count("Alice is told", &alice->told, 2);
    assert_memory_equal(carol->key, bob->key, sizeof(bob->key));
    assert_int_equal(warren_close_peer(nodes[CAROL].w, carol->peer.id + 1000),
                     WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_close_peer(nodes[CAROL].w, carol->peer.id),
                     WARREN_OK);
    wait_count("Carol's peer is gone", &carol->gone, 1);
    wait_count("Alice's is, too", &alice->gone, 1);
    snprintf(to, sizeof(to), "www.%s:7", address);
    assert_int_equal(say_to(CAROL, to, "it is me"), WARREN_OK);
    wait_count("Carol connects again", &carol->told, 2);
    wait_count("Alice hears her", &alice->heard, 2);
    assert_string_equal(alice->last, "it is me");
    assert_int_equal(alice->port, 7);
}

/* The key is all that it takes to be the same service. */
static void restart_with_key(const char *address)
{
    char command[TEXT], before[64];

    snprintf(before, sizeof(before), "%s", nodes[ALICE].dir);
    stop(ALICE);
    wait_count("Bob hears that it stopped", &bob->gone, 1);
    start_program(ALICE);
    snprintf(command, sizeof(command), "cp -a %s/services %s/", before,
             nodes[ALICE].dir);
    assert_int_equal(system(command), 0);
    serve(address);
    assert_int_equal(register_it(BOB, address, 3), WARREN_OK); /* again */
    wait_count("Bob connects again", &bob->told, 2);
}

static void test_warren_service_key(void **state)
{
    char address[WARREN_ADDRESS_SIZE], other[WARREN_ADDRESS_SIZE];

    (void)state;
    start_network();
    assert_int_equal(warren_new_service(nodes[ALICE].w, address), WARREN_OK);
    assert_int_equal(strlen(address), 63);
    assert_int_equal(warren_new_service(nodes[ALICE].w, other), WARREN_OK);
    assert_string_not_equal(address, other);
    serve(address);
    send_before_registering(address);
    close_and_connect_again(address);
    restart_with_key(address);
}

/* ---- Access ------------------------------------------------------------- */

static bool carol_failed(const struct node *n)
{
    (void)n;
    return strcmp(carol->state, "not_found") == 0;
}

static void test_warren_service_access(void **state)
{
    const uint8_t secret[WARREN_ACCESS_BYTES] = {1, 2, 3};
    char address[WARREN_ADDRESS_SIZE];
    struct warren_service_options o;

    (void)state;
    start_network();
    assert_int_equal(warren_new_service(nodes[ALICE].w, address), WARREN_OK);
    o = options_of(ALICE);
    o.access = secret;
    assert_int_equal(warren_register_service(nodes[ALICE].w, address, 1, &o,
                                             &alice->service),
                     WARREN_OK);
    wait_for("it can be found", is_published, &nodes[ALICE]);
    o = options_of(BOB);
    o.access = secret;
    assert_int_equal(
        warren_register_service(nodes[BOB].w, address, 1, &o, &bob->service),
        WARREN_OK);
    wait_count("who has the secret gets in", &bob->told, 1);
    assert_int_equal(register_it(CAROL, address, 1), WARREN_OK);
    wait_for("who has not does not find it", carol_failed, &nodes[CAROL]);
    carol->states = 0;
    carol->state[0] = '\0';
    assert_int_equal(register_it(CAROL, address, 1), WARREN_OK);
    wait_for("nor the second time", carol_failed, &nodes[CAROL]);
    assert_int_equal(carol->told, 0);
}

/* ---- Sections ----------------------------------------------------------- */

static void test_warren_service_section(void **state)
{
    char path[TEXT];
    FILE *file;

    (void)state;
    start_network();
    stop(ALICE);
    snprintf(path, sizeof(path), "%s/config.ini", root);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "[service chat]\nstring = %s\nhops = 1\n", CHAT);
    fclose(file);
    config_file = path;
    start_program(ALICE);
    config_file = NULL;
    assert_int_equal(register_it(BOB, CHAT, 1), WARREN_OK);
    wait_count("Bob finds the section", &bob->told, 1);
    assert_int_equal(answer(BOB, "", "unheard"), WARREN_OK);
    assert_int_equal(register_it(ALICE, CHAT, 3), WARREN_OK);
    wait_count("the program hears who is there", &alice->told, 1);
    assert_int_equal(answer(BOB, "", "hello"), WARREN_OK);
    wait_count("and what they say", &alice->heard, 1);
    assert_int_equal(warren_unregister_service(nodes[ALICE].w, alice->service),
                     WARREN_OK);
    stay_below(&bob->gone, 1); /* the section goes on */
    assert_int_equal(alice->gone, 0);
}

/* ---- What is wrong ------------------------------------------------------ */

static void expect_refused(const char *identifier, unsigned hops)
{
    unsigned lines = nodes[ALICE].lines;

    assert_int_equal(register_it(ALICE, identifier, hops), WARREN_ERR_ARGUMENT);
    assert_int_equal(nodes[ALICE].lines, lines + 1);
}

static void wrong_identifiers(void)
{
    char string[258];
    struct warren *w = nodes[ALICE].w;

    memset(string, 'x', sizeof(string));
    string[256] = '\0';
    expect_refused(string, 1);
    expect_refused("", 1);
    expect_refused("mistyped.warren", 1);
    expect_refused("p17.peer.warren", 1);
    expect_refused(CHAT, 0);
    expect_refused(CHAT, 4);
    string[255] = '\0';
    assert_int_equal(register_it(ALICE, string, 1), WARREN_OK);
    assert_int_equal(warren_unregister_service(w, alice->service), WARREN_OK);
    assert_int_equal(warren_unregister_service(w, 0), WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_service_state(w, alice->service, NULL),
                     WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_close_peer(w, 0), WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_register_service(w, CHAT, 3, NULL, NULL),
                     WARREN_OK);
}

static void wrong_destinations(void)
{
    static const struct {
        const char *to;
        int error;
    } rows[] = {
        {"p17.peer.warren", WARREN_ERR_NOT_FOUND},
        {"p17.peer.warren:53", WARREN_ERR_NOT_FOUND},
        {"p0.peer.warren", WARREN_ERR_ARGUMENT},
        {"p.peer.warren", WARREN_ERR_ARGUMENT},
        {"p99999999999999999999.peer.warren", WARREN_ERR_ARGUMENT},
        {"p17.peer.warren:", WARREN_ERR_ARGUMENT},
        {"p17.peer.warren:65536", WARREN_ERR_ARGUMENT},
        {"mistyped.warren:53", WARREN_ERR_ARGUMENT},
        {".warren:53", WARREN_ERR_ARGUMENT},
        {"mistyped.warren", WARREN_ERR_ARGUMENT},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int e = say_to(ALICE, rows[i].to, "x");

        if (e != rows[i].error)
            fail_msg("%s: %s", rows[i].to, warren_error_text(e));
    }
}

static void test_warren_service_wrong(void **state)
{
    char address[WARREN_ADDRESS_SIZE], to[WARREN_ADDRESS_SIZE + 8];
    char name[8];

    (void)state;
    start_program(ALICE);
    start_program(BOB);
    wrong_identifiers();
    wrong_destinations();
    /* services.max_services, of which one is taken. */
    for (unsigned i = 1; i < 16; i++) {
        snprintf(name, sizeof(name), "%u", i);
        assert_int_equal(register_it(ALICE, name, 1), WARREN_OK);
    }
    assert_int_equal(register_it(ALICE, "one more", 1), WARREN_ERR_FULL);
    assert_int_equal(register_it(ALICE, "1", 1), WARREN_OK);
    assert_int_equal(warren_new_service(nodes[BOB].w, address), WARREN_OK);
    assert_int_equal(register_it(ALICE, address, 1), WARREN_ERR_FULL);
    snprintf(to, sizeof(to), "%s:53", address);
    assert_int_equal(say_to(ALICE, to, "x"), WARREN_ERR_FULL);
}

/* What waits for a connection that cannot come is bounded. */
static void test_warren_service_queue(void **state)
{
    char address[WARREN_ADDRESS_SIZE], to[WARREN_ADDRESS_SIZE + 8];

    (void)state;
    start_program(ALICE);
    start_program(BOB);
    assert_int_equal(warren_new_service(nodes[BOB].w, address), WARREN_OK);
    snprintf(to, sizeof(to), "%s:53", address);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(say_to(ALICE, to, "x"), WARREN_OK);
    assert_int_equal(say_to(ALICE, to, "x"), WARREN_ERR_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_service_string, stop_all),
        cmocka_unit_test_teardown(test_warren_service_key, stop_all),
        cmocka_unit_test_teardown(test_warren_service_access, stop_all),
        cmocka_unit_test_teardown(test_warren_service_section, stop_all),
        cmocka_unit_test_teardown(test_warren_service_wrong, stop_all),
        cmocka_unit_test_teardown(test_warren_service_queue, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
