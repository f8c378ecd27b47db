/* SPDX-License-Identifier: MIT
 *
 * Verbs that use services: register, receive and connect stay and print what
 * happens, a line each; send asks once.
 */
#include "base/timestamp.h"
#include "cli/show/json.h"
#include "cli/show/say.h"
#include "cli/verb/verb_tunnel.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOPS_MAX    3
#define PAYLOAD_MAX 7000U /* less than PIECE_MESSAGE_MAX, with room */
#define EVENT_MAX   (256 * 1024)

#define HOPS_OPTION                                                   \
    {                                                                 \
        "--hops", "N", "relays between this node and the meeting (3)" \
    }
#define ACCESS_OPTION                                           \
    {                                                           \
        "--access", "SECRET", "for a service that asks for one" \
    }

static const struct cli_option use_options[] = {
    HOPS_OPTION, ACCESS_OPTION, {0}};
static const struct cli_option connect_options[] = {
    HOPS_OPTION,
    ACCESS_OPTION,
    {"--listen", "ADDR:PORT", "local socket for programs (127.0.0.1:0)"},
    {0}};
static const struct cli_option send_options[] = {
    HOPS_OPTION,
    ACCESS_OPTION,
    {"--no-wait", NULL, "do not wait for an answer"},
    {0}};

/* ---- What happens ------------------------------------------------------ */

static void print_json(struct bytes event, struct mp_reader params)
{
    struct text out;

    text_init(&out, EVENT_MAX);
    json_add(&out, &params); /* a map that is not empty */
    printf("{\"event\":\"%.*s\",%s\n", (int)event.len, (const char *)event.p,
           text_get(&out) + 1);
    text_deinit(&out);
}

static void print_data(struct mp_reader params)
{
    struct text payload;

    text_init(&payload, EVENT_MAX);
    text_add_printable(&payload, reply_bytes(params, "data"));
    printf("%s port %" PRIu64 ": %s\n", reply_text(params, "peer"),
           reply_uint(params, "port"), text_get(&payload));
    text_deinit(&payload);
}

static void print_peer(struct mp_reader params)
{
    bool has_key = reply_bytes(params, "key").len > 0;

    printf("%s is there%s%.16s\n", reply_text(params, "peer"),
           has_key ? ", key " : "", has_key ? reply_text(params, "key") : "");
}

/* What is no event of a peer goes to stderr: who reads the lines of peers need
 * not look out for it. */
static void on_event(struct cli_talk *t, struct bytes event,
                     struct mp_reader params)
{
    if (t->cli->json)
        print_json(event, params);
    else if (bytes_is_text(event, "data"))
        print_data(params);
    else if (bytes_is_text(event, "peer"))
        print_peer(params);
    else if (bytes_is_text(event, "gone"))
        printf("%s is gone: %s\n", reply_text(params, "peer"),
               reply_text(params, "text"));
    else if (bytes_is_text(event, "listening"))
        fprintf(stderr, "listening on %s\n", reply_text(params, "address"));
    else if (bytes_is_text(event, "state"))
        fprintf(stderr, "state: %s\n", reply_text(params, "text"));
    fflush(stdout);
}

/* ---- Asking ------------------------------------------------------------ */

/* --hops and --access, which must look right. */
struct use {
    uint64_t hops;
    const char *access;
};

static bool read_use(const struct cli *cli, struct use *out)
{
    const char *hops = cli_value(cli, "--hops");

    *out = (struct use){.hops = HOPS_MAX, .access = cli_value(cli, "--access")};
    if (out->access != NULL &&
        (strlen(out->access) != 64 ||
         strspn(out->access, "0123456789abcdefABCDEF") != 64)) {
        cli_fail(EXIT_USAGE, "--access must be exactly 64 hex digits, as "
                             "'warren service access add' prints them");
        return false;
    }
    return hops == NULL ||
           cli_read_number("--hops", hops, 1, HOPS_MAX, &out->hops);
}

/* Their params, and that of the timeout if there is one; `pairs` follow. */
static struct mp_writer *use_params(struct cli_talk *t, const struct use *use,
                                    bool timeout, uint32_t pairs)
{
    struct mp_writer *w =
        cli_talk_params(t, pairs + 1 + (use->access != NULL) + timeout);

    mp_write_text(w, "hops");
    mp_write_uint(w, use->hops);
    if (use->access != NULL) {
        mp_write_text(w, "access");
        mp_write_text(w, use->access);
    }
    if (timeout) {
        mp_write_text(w, "timeout");
        mp_write_uint(w, t->cli->timeout / TIME_MS);
    }
    t->slack = CLI_TUNNEL_SLACK * TIME_S;
    return w;
}

/* One that stays: to the timeout if one was given, else until it is ended by
 * hand. */
static enum exit_code stay(struct cli_talk *t, const char *method)
{
    enum exit_code code;
    struct mp_reader answer;

    t->notified = on_event;
    t->draws_itself = true;
    if (cli_value(t->cli, "--timeout") == NULL)
        t->slack = CLI_FOR_EVER;
    code = cli_talk_call(t, method);
    if (code != EXIT_DONE)
        return code;
    answer = t->answer.value;
    cli_talk_json(t);
    return reply_uint(answer, "peers") + reply_uint(answer, "data") > 0
               ? EXIT_DONE
               : EXIT_NEGATIVE;
}

static bool has_timeout(const struct cli *cli)
{
    return cli_value(cli, "--timeout") != NULL;
}

static enum exit_code register_service(struct cli *cli)
{
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code;
    struct use use;

    if (!read_use(cli, &use))
        return EXIT_USAGE;
    if (cli->args[0][0] == '\0' || strlen(cli->args[0]) > 255)
        return cli_fail(EXIT_USAGE, "ID must be a string of 1 to 255 bytes, or "
                                    "an address that ends in .warren");
    code = cli_talk_init(&t, cli, "waiting for peers");
    if (code != EXIT_DONE)
        return code;
    w = use_params(&t, &use, has_timeout(cli), 1);
    mp_write_text(w, "service");
    mp_write_text(w, cli->args[0]);
    code = stay(&t, "service.register");
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code receive(struct cli *cli)
{
    bool named = cli->args[0] != NULL, timeout = has_timeout(cli);
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code = cli_talk_init(&t, cli, "waiting for data");

    if (code != EXIT_DONE)
        return code;
    t.slack = CLI_TUNNEL_SLACK * TIME_S;
    w = cli_talk_params(&t, (uint32_t)named + timeout);
    if (named) {
        mp_write_text(w, "name");
        mp_write_text(w, cli->args[0]);
    }
    if (timeout) {
        mp_write_text(w, "timeout");
        mp_write_uint(w, cli->timeout / TIME_MS);
    }
    code = stay(&t, "service.receive");
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code connect_service(struct cli *cli)
{
    const char *listen = cli_value(cli, "--listen");
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code;
    struct use use;

    if (!read_use(cli, &use))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "connecting");
    if (code != EXIT_DONE)
        return code;
    w = use_params(&t, &use, has_timeout(cli), 2);
    mp_write_text(w, "to");
    mp_write_text(w, cli->args[0]);
    mp_write_text(w, "address");
    mp_write_text(w, listen == NULL ? "127.0.0.1:0" : listen);
    code = stay(&t, "service.connect");
    cli_talk_deinit(&t);
    return code;
}

/* ---- send -------------------------------------------------------------- */

static enum exit_code print_sent(struct cli_talk *t)
{
    struct mp_reader answer = t->answer.value;
    struct bytes outcome = reply_bytes(answer, "outcome");
    bool answered = bytes_is_text(outcome, "answered");
    bool sent = bytes_is_text(outcome, "sent");
    struct text payload;

    if (cli_talk_json(t))
        return answered || sent ? EXIT_DONE : EXIT_UNANSWERED;
    if (sent)
        return EXIT_DONE;
    if (!answered)
        return cli_fail(EXIT_UNANSWERED, "no answer: %s",
                        reply_text(answer, "text"));
    text_init(&payload, EVENT_MAX);
    text_add_printable(&payload, reply_bytes(answer, "data"));
    puts(text_get(&payload));
    text_deinit(&payload);
    fflush(stdout);
    fprintf(stderr, "answered by %s in %.1f ms\n", reply_text(answer, "peer"),
            reply_double(answer, "duration"));
    return EXIT_DONE;
}

static enum exit_code send_data(struct cli *cli)
{
    size_t len = strlen(cli->args[1]);
    struct cli_talk t;
    struct mp_writer *w;
    enum exit_code code;
    struct use use;

    if (!read_use(cli, &use))
        return EXIT_USAGE;
    if (len > PAYLOAD_MAX)
        return cli_fail(EXIT_USAGE,
                        "DATA has %zu bytes; at most %u can be sent at once",
                        len, PAYLOAD_MAX);
    code = cli_talk_init(&t, cli, "waiting for the answer");
    if (code != EXIT_DONE)
        return code;
    w = use_params(&t, &use, true, 3);
    mp_write_text(w, "to");
    mp_write_text(w, cli->args[0]);
    mp_write_text(w, "data");
    mp_write_bin(w, bytes_of_text(cli->args[1]));
    mp_write_text(w, "wait");
    mp_write_bool(w, cli_value(cli, "--no-wait") == NULL);
    code = cli_talk_call(&t, "service.send");
    if (code == EXIT_DONE)
        code = print_sent(&t);
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_service_use_verbs[] = {
    {"service register", "ID", 1,
     "join a string, or reach an address; print who comes and what they send",
     use_options, true, false, register_service},
    {"service connect", "ADDR:PORT", 1,
     "a local UDP socket for a service of others; answers go to who sent last",
     connect_options, true, false, connect_service},
    {"service send", "TO DATA", 2,
     "a datagram to PEER[:PORT] or ADDR:PORT; print the answer", send_options,
     true, false, send_data},
    {"service receive", "[NAME]", 1, "print what peers of services send", NULL,
     true, false, receive},
    {0}};
