/* SPDX-License-Identifier: MIT
 *
 * Tables of relays and circuits. That of relays comes in pages: they are asked
 * for one after the other and put together before anything is printed, since
 * the widths follow from all rows.
 */
#include "cli/show/amount.h"
#include "cli/show/columns.h"
#include "cli/show/json.h"
#include "cli/show/screen.h"
#include "cli/verb/verb_tunnel.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define JSON_MAX (1024 * 1024 * 1024) /* of all relays */

static void add_age(struct columns *c, uint64_t s)
{
    char age[AMOUNT_SIZE];

    columns_add(c, "%s", age_print(s, age));
}

static void add_rtt(struct columns *c, struct mp_reader map)
{
    struct mp_reader at;

    if (reply_find(map, "rtt", &at))
        columns_add(c, "%.1f", mp_read_double(&at));
    else
        columns_add(c, "-");
}

static void add_capacity(struct columns *c, uint64_t kilobytes)
{
    if (kilobytes != 0)
        columns_add(c, "%" PRIu64, kilobytes);
    else
        columns_add(c, "-");
}

static void add_bytes(struct columns *c, uint64_t bytes)
{
    char amount[AMOUNT_SIZE];

    columns_add(c, "%s", amount_print(bytes, amount));
}

/* The elements of an array of texts, but for the role that nearly all have,
 * and what else there is to say. */
static void add_texts(struct columns *c, struct mp_reader map, const char *key,
                      const char *more)
{
    struct mp_reader at;
    uint32_t count = reply_array(map, key, &at);
    struct text cell;

    text_init(&cell, 255);
    for (; count > 0; count--) {
        struct bytes text = mp_read_bytes(&at, 0, SIZE_MAX);

        if (bytes_equal(text, bytes_of_text("speedtest")))
            continue;
        if (cell.len > 0)
            text_add(&cell, " ");
        text_add_printable(&cell, text);
    }
    columns_add(c, "%s%s", text_get(&cell), more);
    text_deinit(&cell);
}

/* ---- peers ------------------------------------------------------------- */

static void add_peer(struct columns *c, struct mp_reader peer)
{
    columns_add(c, "%.*s", CLI_SHORT_ID, reply_text(peer, "identity"));
    add_texts(c, peer, "addresses", "");
    add_texts(c, peer, "roles", reply_bool(peer, "guard") ? " guard" : "");
    add_rtt(c, peer);
    add_capacity(c, reply_uint(peer, "capacity"));
    columns_add(c, "%" PRIu64, reply_uint(peer, "failures"));
    add_age(c, reply_uint(peer, "last_seen"));
}

/* The pages of the table, put together. */
struct peer_list {
    struct columns columns;
    struct text json;
    uint64_t known, count;
    char next[2 * 32 + 1]; /* identity before the next page; "": none */
};

static void add_page(struct peer_list *l, struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "peers", &at);

    l->known = reply_uint(answer, "known");
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader json = at;

        add_peer(&l->columns, at);
        text_add(&l->json, l->count++ == 0 ? "" : ",");
        json_add(&l->json, &json);
        mp_skip(&at);
    }
    snprintf(l->next, sizeof(l->next), "%s", reply_text(answer, "next"));
}

static void print_peers(struct peer_list *l, bool json)
{
    if (json)
        printf("{\"known\":%" PRIu64 ",\"peers\":[%s]}\n", l->known,
               text_get(&l->json));
    else if (l->count > 0)
        columns_print(&l->columns, stdout);
    else
        screen_fold(stdout, 0, "",
                    "No relays are known; they are looked for while circuits "
                    "are wanted: 'warren tunnel build'.");
    if (!json && l->known > l->count)
        printf("and %" PRIu64 " more\n", l->known - l->count);
}

static enum exit_code ask_for_pages(struct cli_talk *t, struct peer_list *l)
{
    enum exit_code code;

    do {
        bool more = l->next[0] != '\0';
        struct mp_writer *w = cli_talk_params(t, more);

        if (more) {
            mp_write_text(w, "after");
            mp_write_text(w, l->next);
        }
        code = cli_talk_call(t, "tunnel.peers");
        if (code == EXIT_DONE)
            add_page(l, t->answer.value);
    } while (code == EXIT_DONE && l->next[0] != '\0');
    return code;
}

static enum exit_code peers(struct cli *cli)
{
    struct peer_list l = {.known = 0};
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, "asking the daemon");

    if (code != EXIT_DONE)
        return code;
    columns_init(&l.columns,
                 "identity|+address|+roles|>rtt ms|>kB/s|>failed|>seen");
    text_init(&l.json, JSON_MAX);
    code = ask_for_pages(&t, &l);
    if (code == EXIT_DONE)
        print_peers(&l, cli->json);
    text_deinit(&l.json);
    columns_deinit(&l.columns);
    cli_talk_deinit(&t);
    return code;
}

/* ---- circuits ---------------------------------------------------------- */

static void add_path(struct columns *c, struct mp_reader circuit)
{
    struct mp_reader at;
    uint32_t count = reply_array(circuit, "path", &at);
    struct text cell;

    text_init(&cell, 255);
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        text_addf(&cell, "%s%.*s", i > 0 ? " " : "", CLI_SHORT_ID,
                  reply_text(at, "identity"));
    columns_add(c, "%s", text_get(&cell));
    text_deinit(&cell);
}

static void add_circuit(struct columns *c, struct mp_reader circuit)
{
    columns_add(c, "%" PRIu64, reply_uint(circuit, "id"));
    columns_add(c, "%" PRIu64, reply_uint(circuit, "hops"));
    columns_add(c, "%s", reply_text(circuit, "state"));
    add_age(c, reply_uint(circuit, "age"));
    add_bytes(c, reply_uint(circuit, "up"));
    add_bytes(c, reply_uint(circuit, "down"));
    add_rtt(c, circuit);
    add_path(c, circuit);
}

static void print_circuits(struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "circuits", &at);
    struct columns c;

    columns_init(&c, ">circuit|>hops|state|>age|>up|>down|>rtt ms|+path");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at))
        add_circuit(&c, at);
    if (count > 0)
        columns_print(&c, stdout);
    else
        screen_fold(stdout, 0, "",
                    "No circuits: 'warren tunnel build' starts to keep some, "
                    "'warren status' says what is missing.");
    columns_deinit(&c);
}

static enum exit_code circuits(struct cli *cli)
{
    return cli_talk_show(cli, "tunnel.circuits", print_circuits);
}

const struct cli_verb cli_tunnel_list_verbs[] = {
    {"peers", "", 0, "the relays that are known", NULL, true, false, peers},
    {"circuits", "", 0, "the circuits of this node's own", NULL, true, false,
     circuits},
    {0}};
