/* SPDX-License-Identifier: MIT
 *
 * `warren events` prints what happens at the node, a line each, until it is
 * ended by hand or its time is up.
 */
#include "base/text.h"
#include "base/timestamp.h"
#include "cli/show/json.h"
#include "cli/verb/verb_tunnel.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>

#define EVENT_MAX (256 * 1024)

static const struct cli_option events_options[] = {
    {"--kinds", "LIST",
     "of circuits, data, peers, services, streams, with commas between (all)"},
    {0}};

/* ---- A line each -------------------------------------------------------- */

static void print_json(struct bytes news, struct mp_reader params)
{
    struct text out;

    text_init(&out, EVENT_MAX);
    json_add(&out, &params); /* a map that is not empty */
    printf("{\"news\": \"%.*s\", %s\n", (int)news.len, (const char *)news.p,
           text_get(&out) + 1);
    text_deinit(&out);
}

static void print_circuit(struct mp_reader e)
{
    bool closed = reply_bytes(e, "text").len > 0;

    printf("circuit %" PRIu64 " of %" PRIu64 " hop%s %s%s%s\n",
           reply_uint(e, "circuit"), reply_uint(e, "hops"),
           text_plural(reply_uint(e, "hops")), reply_text(e, "event"),
           closed ? ": " : "", reply_text(e, "text"));
}

static void print_data(struct mp_reader e)
{
    bool in = reply_bytes(e, "source").len > 0;
    uint64_t circuit = reply_uint(e, "circuit");
    struct text data;

    text_init(&data, EVENT_MAX);
    if (circuit > 0)
        text_addf(&data, " by circuit %" PRIu64, circuit);
    text_add(&data, ": ");
    text_add_printable(&data, reply_bytes(e, "data"));
    printf("data %s %s%s\n", in ? "from" : "to",
           reply_text(e, in ? "source" : "to"), text_get(&data));
    text_deinit(&data);
}

static void print_stream(struct mp_reader e)
{
    printf("stream %" PRIu64 " %s", reply_uint(e, "stream"),
           reply_text(e, "event"));
    if (reply_bytes(e, "to").len > 0)
        printf(" for %s", reply_text(e, "to"));
    if (reply_bytes(e, "peer").len > 0)
        printf(" of %s at port %" PRIu64, reply_text(e, "peer"),
               reply_uint(e, "port"));
    if (bytes_is_text(reply_bytes(e, "event"), "ended"))
        printf(", %" PRIu64 " bytes read, %" PRIu64 " written",
               reply_uint(e, "read"), reply_uint(e, "written"));
    if (reply_bytes(e, "text").len > 0)
        printf(": %s", reply_text(e, "text"));
    putchar('\n');
}

static const char *service_of(struct mp_reader e)
{
    return reply_bytes(e, "service").len > 0 ? reply_text(e, "service")
                                             : "a service";
}

static void on_event(struct cli_talk *t, struct bytes news, struct mp_reader e)
{
    if (t->cli->json)
        print_json(news, e);
    else if (bytes_is_text(news, "circuit"))
        print_circuit(e);
    else if (bytes_is_text(news, "data"))
        print_data(e);
    else if (bytes_is_text(news, "refused"))
        printf("circuit %" PRIu64 " refused: %s\n", reply_uint(e, "circuit"),
               reply_text(e, "text"));
    else if (bytes_is_text(news, "peer"))
        printf("peer %s of %s is there\n", reply_text(e, "peer"),
               service_of(e));
    else if (bytes_is_text(news, "gone"))
        printf("peer %s of %s is gone: %s\n", reply_text(e, "peer"),
               service_of(e), reply_text(e, "text"));
    else if (bytes_is_text(news, "state"))
        printf("service %s: %s\n", service_of(e), reply_text(e, "text"));
    else if (bytes_is_text(news, "stream"))
        print_stream(e);
    else if (bytes_is_text(news, "lost"))
        fprintf(stderr,
                "%" PRIu64 " events were lost: they came faster than "
                "they were read\n",
                reply_uint(e, "count"));
    fflush(stdout);
}

/* ---- The verb ----------------------------------------------------------- */

static enum exit_code events(struct cli *cli)
{
    const char *kinds = cli_value(cli, "--kinds");
    bool timeout = cli_value(cli, "--timeout") != NULL;
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code = cli_talk_init(&t, cli, "waiting for events");

    if (code != EXIT_DONE)
        return code;
    t.slack = timeout ? CLI_TUNNEL_SLACK * TIME_S : CLI_FOR_EVER;
    t.notified = on_event;
    t.draws_itself = true;
    w = cli_talk_params(&t, (uint32_t)(kinds != NULL) + timeout);
    if (kinds != NULL) {
        mp_write_text(w, "kinds");
        mp_write_text(w, kinds);
    }
    if (timeout) {
        mp_write_text(w, "timeout");
        mp_write_uint(w, cli->timeout / TIME_MS);
    }
    code = cli_talk_call(&t, "events");
    if (code == EXIT_DONE) {
        cli_talk_json(&t);
        if (reply_uint(t.answer.value, "told") == 0)
            code = EXIT_NEGATIVE;
    }
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_events_verbs[] = {
    {"events", "", 0, "print what happens: circuits, data, peers, streams",
     events_options, true, false, events},
    {0}};
