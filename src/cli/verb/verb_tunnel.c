/* SPDX-License-Identifier: MIT
 *
 * The verbs that build circuits and use them. The daemon keeps to --timeout
 * itself, so that it can say why nothing came of it: the command waits a little
 * longer.
 */
#include "cli/verb/verb_tunnel.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "cli/show/columns.h"
#include "cli/show/say.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"
#include "tunnel/circuit/onion.h"
#include "tunnel/exit/host_port.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PAYLOAD_MAX 8000U /* less than PIECE_MESSAGE_MAX, with room */

#define HOPS_OPTION                              \
    {                                            \
        "--hops", "N", "hops of the circuit (3)" \
    }

static const struct cli_option hops_options[] = {HOPS_OPTION, {0}};
static const struct cli_option build_options[] = {
    HOPS_OPTION,
    {"--count", "C", "wait for so many circuits (min_circuits)"},
    {0}};

/* ---- Shared ------------------------------------------------------------ */

bool cli_read_hops(const struct cli *cli, uint64_t *out)
{
    const char *text = cli_value(cli, "--hops");

    *out = CLI_HOPS_DEFAULT;
    return text == NULL ||
           cli_read_number("--hops", text, 1, ONION_HOPS_MAX, out);
}

void cli_tunnel_notified(struct cli_talk *t, struct bytes method,
                         struct mp_reader params)
{
    if (bytes_equal(method, bytes_of_text("waiting")))
        snprintf(t->note, sizeof(t->note), "%" PRIu64 " ready; %.200s",
                 reply_uint(params, "active"), reply_text(params, "missing"));
}

struct mp_writer *cli_tunnel_params(struct cli_talk *t, uint64_t hops,
                                    uint32_t pairs)
{
    struct mp_writer *w = cli_talk_params(t, pairs + 3);

    t->notified = cli_tunnel_notified;
    t->slack = CLI_TUNNEL_SLACK * TIME_S;
    mp_write_text(w, "hops");
    mp_write_uint(w, hops);
    mp_write_text(w, "timeout");
    mp_write_uint(w, t->cli->timeout / TIME_MS);
    mp_write_text(w, "stream");
    mp_write_bool(w, !t->cli->json && t->progress);
    return w;
}

/* ---- build, stop ------------------------------------------------------- */

static void print_built(struct mp_reader answer)
{
    struct mp_reader at;
    uint32_t count = reply_array(answer, "circuits", &at);
    uint64_t hops = reply_uint(answer, "hops");

    printf("%" PRIu64 " circuit%s of %" PRIu64 " hop%s ready after %.1f ms:",
           reply_uint(answer, "active"),
           text_plural(reply_uint(answer, "active")), hops, text_plural(hops),
           reply_double(answer, "duration"));
    for (; count > 0; count--)
        printf(" %" PRIu64, mp_read_uint(&at, UINT64_MAX));
    putchar('\n');
}

static enum exit_code build(struct cli *cli)
{
    const char *text = cli_value(cli, "--count");
    uint64_t hops, count = 0;
    struct cli_talk t;
    enum exit_code code;

    if (!cli_read_hops(cli, &hops) ||
        (text != NULL && !cli_read_number("--count", text, 1, 1024, &count)))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "building");
    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_tunnel_params(&t, hops, text == NULL ? 0 : 1);
    if (text != NULL) {
        mp_write_text(w, "count");
        mp_write_uint(w, count);
    }
    code = cli_talk_call(&t, "tunnel.build");
    if (code == EXIT_DONE && !cli_talk_json(&t))
        print_built(t.answer.value);
    cli_talk_deinit(&t);
    return code;
}

/* One whose only parameter is a number; on success it is printed between
 * `before` and `after` unless the answer is printed as JSON. */
static enum exit_code ask(struct cli *cli, const char *method, const char *name,
                          uint64_t number, const char *before,
                          const char *after)
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, "asking the daemon");

    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_talk_params(&t, 1);
    mp_write_text(w, name);
    mp_write_uint(w, number);
    code = cli_talk_call(&t, method);
    if (code == EXIT_DONE && !cli_talk_json(&t))
        printf("%s %" PRIu64 "%s\n", before, number, after);
    cli_talk_deinit(&t);
    return code;
}

static enum exit_code stop(struct cli *cli)
{
    uint64_t hops;

    if (!cli_read_hops(cli, &hops))
        return EXIT_USAGE;
    return ask(cli, "tunnel.stop", "hops", hops,
               "no more circuits are built of", hops == 1 ? " hop" : " hops");
}

static bool read_circuit(const struct cli *cli, uint64_t *out)
{
    return cli_read_number("CIRCUIT", cli->args[0], 1, CLI_CIRCUIT_MAX, out);
}

static enum exit_code close_circuit(struct cli *cli)
{
    uint64_t circuit;

    if (!read_circuit(cli, &circuit))
        return EXIT_USAGE;
    return ask(cli, "tunnel.close", "circuit", circuit, "closed circuit", "");
}

/* ---- send -------------------------------------------------------------- */

static void print_answer(struct mp_reader answer)
{
    uint64_t refusals = reply_uint(answer, "refusals");
    struct text line;

    text_init(&line, SIZE_MAX / 2);
    text_add_printable(&line, reply_bytes(answer, "data"));
    puts(text_get(&line));
    text_deinit(&line);
    fflush(stdout);
    fprintf(stderr,
            "answered by %s in %.1f ms, over circuit %" PRIu64 " of %" PRIu64
            " hop%s",
            reply_text(answer, "source"), reply_double(answer, "rtt"),
            reply_uint(answer, "circuit"), reply_uint(answer, "hops"),
            text_plural(reply_uint(answer, "hops")));
    if (refusals > 0)
        fprintf(stderr, "; %" PRIu64 " other exit%s refused it", refusals,
                text_plural(refusals));
    fputc('\n', stderr);
}

static void print_refusal(struct mp_reader answer)
{
    uint64_t refusals = reply_uint(answer, "refusals");
    const char *why = reply_text(answer, "text");

    if (refusals > 1)
        cli_fail(EXIT_REFUSED, "refused by %" PRIu64 " exits: %s", refusals,
                 why);
    else
        cli_fail(EXIT_REFUSED, "refused by the exit: %s", why);
}

static enum exit_code code_of_outcome(struct mp_reader answer)
{
    struct bytes outcome = reply_bytes(answer, "outcome");

    if (bytes_equal(outcome, bytes_of_text("answered")))
        return EXIT_DONE;
    if (bytes_equal(outcome, bytes_of_text("refused")))
        return EXIT_REFUSED;
    return EXIT_UNANSWERED;
}

static enum exit_code print_outcome(struct cli_talk *t)
{
    struct mp_reader answer = t->answer.value;
    enum exit_code code = code_of_outcome(answer);

    if (cli_talk_json(t))
        return code;
    if (code == EXIT_DONE)
        print_answer(answer);
    else if (code == EXIT_REFUSED)
        print_refusal(answer);
    else
        cli_fail(code, "no answer within %" PRIu64 " s: %s",
                 t->cli->timeout / TIME_S, reply_text(answer, "text"));
    return code;
}

static bool is_destination(const char *text)
{
    struct host_port to;
    enum error err = host_port_parse(bytes_of_text(text), &to);

    if (err == OK)
        return true;
    if (err == ERR_UNSUPPORTED)
        cli_fail(EXIT_USAGE, "no exit resolves '%s': such names are local",
                 text);
    else if (err == ERR_ADDRESS)
        cli_fail(EXIT_USAGE,
                 "no datagram can be sent to '%s': neither to multicast and "
                 "the like, nor to port 0",
                 text);
    else
        cli_fail(EXIT_USAGE,
                 "HOST:PORT must be an address or a name and a port, like "
                 "192.0.2.1:53, [2001:db8::1]:53 or example.org:53, not '%s'",
                 text);
    return false;
}

static bool is_payload(const char *text)
{
    size_t len = strlen(text);

    if (len <= PAYLOAD_MAX)
        return true;
    cli_fail(EXIT_USAGE, "DATA has %zu bytes; at most %u can be sent at once",
             len, PAYLOAD_MAX);
    return false;
}

static enum exit_code send_datagram(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code;
    uint64_t hops;

    if (!cli_read_hops(cli, &hops) || !is_destination(cli->args[0]) ||
        !is_payload(cli->args[1]))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "waiting for the answer");
    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_tunnel_params(&t, hops, 2);
    mp_write_text(w, "to");
    mp_write_text(w, cli->args[0]);
    mp_write_text(w, "data");
    mp_write_bin(w, bytes_of_text(cli->args[1]));
    code = cli_talk_call(&t, "tunnel.send");
    if (code == EXIT_DONE)
        code = print_outcome(&t);
    cli_talk_deinit(&t);
    return code;
}

/* ---- ping -------------------------------------------------------------- */

static enum exit_code print_pongs(struct cli_talk *t)
{
    struct mp_reader at, rtt;
    uint32_t count = reply_array(t->answer.value, "hops", &at);
    enum exit_code code = EXIT_DONE;
    struct columns c;

    columns_init(&c, ">hop|identity|address|>rtt ms");
    for (uint32_t i = 0; i < count; i++, mp_skip(&at)) {
        columns_add(&c, "%u", i + 1);
        columns_add(&c, "%.*s", CLI_SHORT_ID, reply_text(at, "identity"));
        columns_add(&c, "%s", reply_text(at, "address"));
        if (reply_find(at, "rtt", &rtt)) {
            columns_add(&c, "%.2f", reply_double(at, "rtt"));
        } else {
            columns_add(&c, "no answer");
            code = EXIT_UNANSWERED;
        }
    }
    if (!cli_talk_json(t))
        columns_print(&c, stdout);
    columns_deinit(&c);
    return code;
}

static enum exit_code ping(struct cli *cli)
{
    struct cli_talk t;
    enum exit_code code;
    uint64_t circuit;

    if (!read_circuit(cli, &circuit))
        return EXIT_USAGE;
    code = cli_talk_init(&t, cli, "waiting for the hops");
    if (code != EXIT_DONE)
        return code;
    struct mp_writer *w = cli_talk_params(&t, 2);
    t.notified = cli_tunnel_notified;
    t.slack = CLI_TUNNEL_SLACK * TIME_S;
    mp_write_text(w, "circuit");
    mp_write_uint(w, circuit);
    mp_write_text(w, "timeout");
    mp_write_uint(w, cli->timeout / TIME_MS);
    code = cli_talk_call(&t, "tunnel.ping");
    if (code == EXIT_DONE)
        code = print_pongs(&t);
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_tunnel_verbs[] = {
    {"tunnel build", "", 0, "keep circuits ready, wait for them", build_options,
     true, false, build},
    {"tunnel stop", "", 0, "build no more of them; those there may stay",
     hops_options, true, false, stop},
    {"tunnel send", "HOST:PORT DATA", 2,
     "send a datagram through an exit, print the answer", hops_options, true,
     false, send_datagram},
    {"tunnel ping", "CIRCUIT", 1, "measure the round trip to every hop", NULL,
     true, false, ping},
    {"tunnel close", "CIRCUIT", 1, "end a circuit", NULL, true, false,
     close_circuit},
    {0}};
