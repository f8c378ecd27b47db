/* SPDX-License-Identifier: MIT
 *
 * The library as a program has it: what it is made from, and ten nodes in one
 * process.
 */
#include "warren_nodes.h"

/* ---- Ten nodes ---------------------------------------------------------- */

static void send_and_hear(struct node *n, unsigned hops)
{
    uint32_t ids[8];
    char large[1800];
    unsigned count;

    assert_int_equal(warren_build_tunnels(n->w, hops), WARREN_OK);
    wait_for("circuits of this length", is_ready, n);
    count = warren_active_data_circuits(n->w, hops, ids, 8);
    assert_in_range(count, 1, 8);
    n->answers = 0;
    assert_int_equal(warren_tunnel_data(n->w, ids[0], ECHO, "data", "hello", 5),
                     WARREN_OK);
    wait_for("an answer of the echo server", has_answer, n);
    assert_int_equal(n->from, ids[0]);
    assert_int_equal(n->last_len, 5);
    assert_memory_equal(n->last, "hello", 5);
    assert_int_equal(ntohs(n->source.sin_port), PORT);

    /* To where it came from, and longer than a cell. */
    memset(large, 'x', sizeof(large));
    n->answers = 0;
    assert_int_equal(warren_tunnel_data_to(n->w, ids[0],
                                           (struct sockaddr *)&n->source,
                                           "data", large, sizeof(large)),
                     WARREN_OK);
    wait_for("the long answer", has_answer, n);
    assert_int_equal(n->last_len, sizeof(large));
}

static void refuse_what_is_wrong(struct warren *w)
{
    static const char large[70000];
    uint32_t id;

    assert_true(warren_active_data_circuits(w, 0, &id, 1) >= 1);
    assert_int_equal(warren_tunnel_data(w, id, "no port", "data", "1", 1),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_tunnel_data(w, id, "127.0.0.1:0", "data", "1", 1),
                     WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_tunnel_data(w, id, ECHO, "stream", "1", 1),
                     WARREN_ERR_UNSUPPORTED);
    assert_int_equal(warren_tunnel_data(w, id, ECHO, "data", large, 70000),
                     WARREN_ERR_TOO_LARGE);
    assert_int_equal(warren_tunnel_data(w, UINT32_MAX, ECHO, "data", "1", 1),
                     WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_close_circuit(w, UINT32_MAX), WARREN_ERR_NOT_FOUND);
    assert_int_equal(warren_build_tunnels(w, 0), WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_build_tunnels(w, 5), WARREN_ERR_ARGUMENT);
    assert_int_equal(warren_stop_tunnels(w, 5), WARREN_ERR_ARGUMENT);
}

static void close_one(struct node *n)
{
    uint32_t id;

    n->closed = 0;
    assert_true(warren_active_data_circuits(n->w, 3, &id, 1) >= 1);
    assert_int_equal(warren_close_circuit(n->w, id), WARREN_OK);
    wait_for("the circuit is closed", has_closed, n);
    assert_string_equal(n->why, "requested");
    wait_for("the pool replaces it", is_ready, n);
}

static void test_warren_ten_nodes(void **state)
{
    struct event *echo = echo_new();
    struct node *client = &nodes[CLIENT];
    char status[2048];

    (void)state;
    for (unsigned i = 0; i < NODES; i++)
        start(i, NULL);
    send_and_hear(client, 1);
    send_and_hear(client, 3);
    refuse_what_is_wrong(client->w);
    close_one(client);
    assert_true(client->opened >= 4);
    assert_true(client->lines > 0);

    assert_true(warren_status(client->w, status, sizeof(status)) > 0);
    assert_non_null(strstr(status, "circuits"));
    assert_true(warren_status(client->w, NULL, 0) > 0);

    client->closed = 0;
    stop(CLIENT);
    assert_true(client->closed > 0);
    assert_string_equal(client->why, "shutdown");
    for (unsigned i = 0; i < CLIENT; i++)
        stop(i);
    echo_free(echo);
}

/* ---- Settings ----------------------------------------------------------- */

static void expect_refusal(const struct warren_setting *settings, size_t count,
                           const char *file, const char *expected)
{
    struct warren_options options = {
        .config_file = file, .settings = settings, .setting_count = count};
    char why[WARREN_WHY_SIZE] = "";

    assert_null(warren_new(base, &options, why, sizeof(why)));
    if (strstr(why, expected) == NULL)
        fail_msg("'%s' does not tell of '%s'", why, expected);
    assert_true(why[strlen(why) - 1] != '\n');
    assert_null(warren_new(base, &options, NULL, 0));
}

static void test_warren_bad_settings(void **state)
{
    char dir[TEXT], file[TEXT];
    const struct warren_setting wrong[] = {{"tunnel.min_circuit", "3"},
                                           {"dht.max_items", "many"}};
    const struct warren_setting empty[] = {{"node.data_dir", NULL}};
    const struct warren_setting unbound[] = {
        {"node.data_dir", dir}, {"node.listen", "192.0.2.77:7960"}};
    const struct warren_setting held[] = {{"node.data_dir", dir},
                                          {"node.listen", address(99)}};
    FILE *f;

    (void)state;
    expect_refusal(wrong, 2, NULL, "did you mean tunnel.min_circuits?");
    expect_refusal(wrong, 2, NULL, "dht.max_items: max_items is 'many' but");
    expect_refusal(empty, 1, NULL, "node.data_dir: has no value");
    expect_refusal(NULL, 0, "/nonexistent.ini", "cannot be read");
    snprintf(dir, sizeof(dir), "%s/unbound", root);
    expect_refusal(unbound, 2, NULL, "192.0.2.77");

    snprintf(file, sizeof(file), "%s/bad.ini", root);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("[node]\nlisten = here\n", f);
    fclose(f);
    expect_refusal(NULL, 0, file, "bad.ini:2: ");

    start(1, NULL);
    snprintf(dir, sizeof(dir), "%s", nodes[1].dir);
    expect_refusal(held, 2, NULL, "in use");
    stop(1);
}

/* A file gives what the program does not. */
static void test_warren_config_file(void **state)
{
    struct warren_options options = {.log = on_log, .arg = &nodes[0]};
    char file[TEXT], dir[TEXT];
    const struct warren_setting settings[] = {{"node.data_dir", dir},
                                              {"node.listen", address_of(0)}};
    FILE *f;

    (void)state;
    snprintf(file, sizeof(file), "%s/good.ini", root);
    snprintf(dir, sizeof(dir), "%s/file", root);
    f = fopen(file, "w");
    assert_non_null(f);
    fputs("[node]\ndata_dir = /nonexistent/x\ntesting_network = true\n", f);
    fclose(f);
    options.config_file = file;
    options.settings = settings;
    options.setting_count = 2;
    nodes[0].w = warren_new(base, &options, NULL, 0);
    assert_non_null(nodes[0].w);
    stop(0);
    assert_int_equal(access(dir, F_OK), 0);
}

static void test_warren_again_and_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        start(0, NULL);
        start(1, NULL);
        assert_int_equal(warren_build_tunnels(nodes[1].w, 2), WARREN_OK);
        event_base_loop(base, EVLOOP_NONBLOCK);
        stop(0);
        stop(1);
    }
    warren_free(NULL);
}

static void test_warren_error_texts(void **state)
{
    (void)state;
    for (int e = WARREN_OK; e <= WARREN_ERR_NOT_KEPT; e++)
        assert_string_not_equal(warren_error_text(e), "unknown error");
    assert_string_equal(warren_error_text(-1), "unknown error");
    assert_string_equal(warren_error_text(WARREN_ERR_NOT_KEPT + 1),
                        "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_warren_bad_settings, stop_all),
        cmocka_unit_test_teardown(test_warren_config_file, stop_all),
        cmocka_unit_test_teardown(test_warren_again_and_again, stop_all),
        cmocka_unit_test_teardown(test_warren_error_texts, stop_all),
        cmocka_unit_test_teardown(test_warren_ten_nodes, stop_all),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
