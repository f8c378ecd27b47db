/* SPDX-License-Identifier: MIT
 *
 * One conversation of a verb with the daemon, in this order: find the socket
 * that the daemon has which was given the same flags, connect, and say what to
 * do where nobody listens; send a request; until its answer is there show on a
 * terminal what is waited for, from the first second on, and print the steps of
 * a trace as they come; turn the daemon's errors into exit codes.
 */
#include "cli/ask/talk.h"
#include "base/timestamp.h"
#include "cli/ask/elsewhere.h"
#include "cli/show/json.h"
#include "cli/show/say.h"
#include "cli/show/screen.h"
#include "cli/show/trace.h"
#include "node/config/config.h"
#include "node/control/reply.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHY_LIMIT  (16 * 1024)
#define JSON_LIMIT (16 * 1024 * 1024)

/* ---- Saying what went wrong -------------------------------------------- */

static enum error error_by_name(struct bytes name)
{
    for (int e = 1; e < ERR_END_; e++) {
        if (bytes_equal(name, bytes_of_text(error_name((enum error)e))))
            return (enum error)e;
    }
    return ERR_REMOTE;
}

static enum exit_code exit_code_of(enum error err)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
    switch (err) {
    case ERR_NOT_FOUND:
        return EXIT_NEGATIVE;
    case ERR_SYNTAX:
    case ERR_MISSING:
    case ERR_ADDRESS:
        return EXIT_USAGE;
    case ERR_TIMEOUT:
    case ERR_NO_NODES:
        return EXIT_UNANSWERED;
    case ERR_CAS:
    case ERR_SEQ:
    case ERR_SIGNATURE:
    case ERR_FULL:
    case ERR_TOKEN:
    case ERR_REMOTE:
    case ERR_RATE_LIMITED:
        return EXIT_REFUSED;
    default:
        return EXIT_TROUBLE;
    }
#pragma GCC diagnostic pop
}

static enum exit_code say_error(const struct cli_talk *t, enum error err,
                                const struct text *why)
{
    struct text said;
    enum exit_code code;

    if (err != ERR_REMOTE)
        return cli_say(exit_code_of(err), error_name(err), text_get(why));
    text_init(&said, WHY_LIMIT);
    text_add_printable(&said, t->answer.text);
    err = error_by_name(t->answer.code);
    code = cli_say(exit_code_of(err), error_name(err), text_get(&said));
    text_deinit(&said);
    return code;
}

/* ---- Finding the daemon ------------------------------------------------ */

/* Where the daemon would listen that was given the same flags. */
static enum error find_socket(const struct cli *cli, struct config *config,
                              struct text *why)
{
    static const char *const names[] = {"--config", "--data-dir", "--control"};
    char flags[3][CONFIG_PATH_SIZE + 16];
    char *argv[3];
    struct config_input input = {.environment = cli->environment, .argv = argv};

    for (size_t i = 0; i < 3; i++) {
        const char *value = cli_value(cli, names[i]);

        if (value == NULL)
            continue;
        snprintf(flags[i], sizeof(flags[i]), "%s=%s", names[i], value);
        argv[input.argc++] = flags[i];
    }
    return config_load(&input, config, why);
}

static void say_how_to_start(const struct cli *cli, const struct config *config,
                             struct text *why)
{
    const char *dir = cli_value(cli, "--data-dir");

    if (dir == NULL && cli_value(cli, "--control") == NULL &&
        elsewhere_say(cli, config->control, why))
        return;
    text_addf(why, "no daemon listens on %s; start one with: warren run",
              config->control);
    if (dir != NULL)
        text_addf(why, " --data-dir %s", dir);
    if (cli_value(cli, "--control") != NULL)
        text_addf(why, " --control %s", config->control);
    if (dir == NULL && cli_value(cli, "--control") == NULL)
        text_add(why, " (or name the one that runs: --data-dir D or --control "
                      "PATH)");
}

enum exit_code cli_talk_init(struct cli_talk *t, struct cli *cli,
                             const char *doing)
{
    struct config config;
    struct text why;
    enum exit_code code = EXIT_DONE;
    enum error err;

    memset(t, 0, sizeof(*t));
    t->cli = cli;
    t->doing = doing;
    t->progress = isatty(STDERR_FILENO) != 0;
    t->trace = cli_value(cli, "--trace") != NULL;
    text_init(&why, WHY_LIMIT);
    err = find_socket(cli, &config, &why);
    if (err != OK) {
        code = cli_say(exit_code_of(err), error_name(err), text_get(&why));
    } else {
        err = control_client_init(&t->client, config.control, &why);
        if (err == ERR_NOT_FOUND)
            say_how_to_start(cli, &config, &why);
        else if (err == ERR_IO)
            elsewhere_say_owner(cli, config.control, &why);
        if (err != OK)
            code = cli_say(err == ERR_NOT_FOUND ? EXIT_NO_DAEMON
                                                : exit_code_of(err),
                           err == ERR_NOT_FOUND ? "no_daemon" : error_name(err),
                           text_get(&why));
    }
    text_deinit(&why);
    return code;
}

void cli_talk_deinit(struct cli_talk *t)
{
    control_client_deinit(&t->client);
}

/* ---- Asking ------------------------------------------------------------ */

struct mp_writer *cli_talk_params(struct cli_talk *t, uint32_t pairs)
{
    struct mp_writer *w = &t->writer;

    mp_writer_init(w, t->params, sizeof(t->params));
    mp_write_map(w, pairs);
    return w;
}

struct mp_writer *cli_talk_dht_params(struct cli_talk *t, uint32_t pairs,
                                      bool lookup)
{
    bool mainline = cli_in_mainline(t->cli);
    struct mp_writer *w =
        cli_talk_params(t, pairs + (mainline ? 1 : 0) + (lookup ? 2 : 0));

    /* An older daemon knows no other DHT than its own. */
    if (mainline) {
        mp_write_text(w, "mainline");
        mp_write_bool(w, true);
    }
    if (lookup) {
        mp_write_text(w, "trace");
        mp_write_bool(w, t->trace);
        mp_write_text(w, "stream");
        mp_write_bool(w, !t->cli->json && (t->trace || t->progress));
    }
    return w;
}

static void clear(struct cli_talk *t)
{
    if (t->drawn)
        fputs("\r\033[K", stderr);
    t->drawn = false;
}

void cli_talk_draw(struct cli_talk *t, const char *line)
{
    size_t room;

    if (!t->progress)
        return;
    /* What goes over the edge would stay there for ever. */
    room = screen_width(stderr) - 1;
    if (screen_width_of(line, strlen(line)) > room)
        fprintf(stderr, "\r%.*s ...\033[K",
                (int)screen_break(line, room - strlen(" ...")), line);
    else
        fprintf(stderr, "\r%s\033[K", line);
    t->drawn = true;
}

static void on_notification(void *arg, struct bytes method,
                            struct mp_reader params)
{
    struct cli_talk *t = arg;

    if (t->notified != NULL) {
        t->notified(t, method, params);
        return;
    }
    if (!bytes_equal(method, bytes_of_text("step"))) {
        t->found++;
        return;
    }
    if (bytes_equal(reply_bytes(params, "outcome"), bytes_of_text("answered")))
        t->answered++;
    else
        t->unanswered++;
    if (t->trace && !t->cli->json) {
        clear(t);
        trace_print_step(params);
        trace_plot_add(&t->steps, params);
    }
}

static void add_counts(const struct cli_talk *t, struct text *line)
{
    if (t->answered + t->unanswered > 0)
        text_addf(line, ", %u answered, %u did not", t->answered,
                  t->unanswered);
    if (t->found > 0)
        text_addf(line, ", %u found", t->found);
}

static void on_waiting(void *arg, uint64_t waited)
{
    struct cli_talk *t = arg;
    struct text line;

    if (!t->progress || waited < TIME_S || t->draws_itself)
        return;
    text_init(&line, WHY_LIMIT);
    text_addf(&line, "%s: %" PRIu64 " s", t->doing, waited / TIME_S);
    add_counts(t, &line);
    if (t->note[0] != '\0')
        text_addf(&line, ", %s", t->note);
    cli_talk_draw(t, text_get(&line));
    text_deinit(&line);
}

/* As cli_talk_call, but an error of the daemon's is left to the caller. */
static enum error try_once(struct cli_talk *t, const char *method,
                           struct text *why)
{
    struct control_listener listener = {
        .arg = t, .notification = on_notification, .waiting = on_waiting};
    enum error err = t->writer.err;

    if (err != OK) {
        text_add(why, "this is too much for one request");
        return err;
    }
    err = control_client_call(&t->client, method, mp_writer_bytes(&t->writer),
                              t->cli->timeout + t->slack, &listener, &t->answer,
                              why);
    clear(t);
    return err;
}

enum exit_code cli_talk_call(struct cli_talk *t, const char *method)
{
    struct text why;
    enum error err;
    enum exit_code code = EXIT_DONE;

    text_init(&why, WHY_LIMIT);
    err = try_once(t, method, &why);
    t->hushed = err == ERR_REMOTE && t->quiet != OK &&
                error_by_name(t->answer.code) == t->quiet;
    if (t->hushed)
        code = exit_code_of(t->quiet);
    else if (err != OK)
        code = say_error(t, err, &why);
    text_deinit(&why);
    return code;
}

enum exit_code cli_talk_begin(struct cli_talk *t, const char *method)
{
    struct text why;
    enum error err;
    enum exit_code code = EXIT_DONE;

    text_init(&why, WHY_LIMIT);
    err = control_client_begin(&t->client, method, mp_writer_bytes(&t->writer),
                               t->cli->timeout, &t->answer, &why);
    if (err != OK)
        code = say_error(t, err, &why);
    text_deinit(&why);
    return code;
}

void cli_talk_end_trace(const struct cli_talk *t)
{
    if (!t->trace)
        return;
    putchar('\n');
    trace_plot_print(&t->steps, trace_plot_is_utf8(), stdout);
    if (t->steps.count > 1)
        putchar('\n');
}

bool cli_talk_json(const struct cli_talk *t)
{
    struct mp_reader value = t->answer.value;
    struct text out;

    if (!t->cli->json)
        return false;
    text_init(&out, JSON_LIMIT);
    json_add(&out, &value);
    puts(text_get(&out));
    text_deinit(&out);
    return true;
}

enum exit_code cli_talk_show(struct cli *cli, const char *method,
                             void (*print)(struct mp_reader answer))
{
    struct cli_talk t;
    enum exit_code code = cli_talk_init(&t, cli, "asking the daemon");

    if (code != EXIT_DONE)
        return code;
    cli_talk_params(&t, 0);
    code = cli_talk_call(&t, method);
    if (code == EXIT_DONE && !cli_talk_json(&t))
        print(t.answer.value);
    cli_talk_deinit(&t);
    return code;
}
