/* SPDX-License-Identifier: MIT
 *
 * `warren exec`: this process becomes the program, so that its number, status,
 * signals and terminal are the program's. In this order, so that what fails
 * early costs nothing: the daemon's proxy, the namespaces, the process that
 * carries, and the point of no return.
 */
#include "cli/ask/talk.h"
#include "cli/exec/exec_carry.h"
#include "cli/exec/exec_preload.h"
#include "cli/exec/exec_space.h"
#include "cli/show/say.h"
#include "cli/verb/verbs.h"
#include "node/control/reply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_LIMIT    1024
#define HOPS_DEFAULT 3
#define HOPS_MAX     4
#define SHARED_NAME  "exec" /* of the isolation of all runs */

/* As shells have it. */
enum { EXIT_NOT_RUN = 126, EXIT_NO_PROGRAM = 127 };

static const struct cli_option exec_options[] = {
    {"--hops", "N", "relays on the way (3)"},
    {"--isolate", NULL, "share circuits with nothing else, not other runs"},
    {"--allow-leaks", NULL,
     "without namespaces, run it all the same: by torsocks, proxychains4 or "
     "proxy variables, which a program may go past"},
    {0}};

static enum exit_code not_run(const char *program)
{
    int errnum = errno;

    cli_fail(EXIT_USAGE, "cannot run %s: %s", program, strerror(errnum));
    return (enum exit_code)(errnum == ENOENT ? EXIT_NO_PROGRAM : EXIT_NOT_RUN);
}

/* ---- The daemon's proxy ------------------------------------------------- */

static bool take_proxy(const struct cli_talk *t, struct exec_proxy *out)
{
    struct mp_reader told = t->answer.value;
    struct bytes user = reply_bytes(told, "user");
    struct bytes password = reply_bytes(told, "password");

    if (endpoint_parse(reply_text(told, "address"), &out->at) != OK ||
        user.len >= sizeof(out->user) || password.len >= sizeof(out->password))
        return false;
    memcpy(out->user, user.p, user.len);
    out->user[user.len] = '\0';
    memcpy(out->password, password.p, password.len);
    out->password[password.len] = '\0';
    return true;
}

static enum exit_code open_proxy(struct cli_talk *t, uint64_t hops,
                                 struct exec_proxy *out)
{
    bool isolate = cli_value(t->cli, "--isolate") != NULL;
    struct mp_writer *w = cli_talk_params(t, 1 + !isolate);
    enum exit_code code;

    mp_write_text(w, "hops");
    mp_write_uint(w, hops);
    if (!isolate) {
        mp_write_text(w, "name");
        mp_write_text(w, SHARED_NAME);
    }
    code = cli_talk_begin(t, "socks.open");
    if (code == EXIT_DONE && !take_proxy(t, out))
        code = cli_fail(EXIT_TROUBLE, "the daemon's answer makes no sense: is "
                                      "it of the same version?");
    return code;
}

/* ---- Running ------------------------------------------------------------ */

static enum exit_code carry(const struct cli_talk *t,
                            const struct exec_proxy *proxy,
                            const struct exec_sockets *sockets)
{
    const struct exec_carry plan = {.proxy = *proxy,
                                    .sockets = sockets,
                                    .control = t->client.fd,
                                    .program = t->cli->program[0]};
    enum exit_code code = EXIT_DONE;
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (exec_carry_start(&plan, &why) != OK)
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    text_deinit(&why);
    return code;
}

static enum exit_code run_inside(const struct cli_talk *t,
                                 const struct exec_proxy *proxy,
                                 struct exec_space *space)
{
    char **program = t->cli->program;
    enum exit_code code = carry(t, proxy, &space->sockets);
    struct text why;

    exec_space_forget_sockets(space);
    if (code != EXIT_DONE) {
        exec_space_free(space);
        return code;
    }
    text_init(&why, WHY_LIMIT);
    if (exec_space_enter(space, &why) != OK) {
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    } else {
        exec_forget_proxies();
        unsetenv("DBUS_SESSION_BUS_ADDRESS"); /* it is hidden */
        execvp(program[0], program);
        code = not_run(program[0]);
    }
    text_deinit(&why);
    return code;
}

static enum exit_code run_beside(const struct cli_talk *t,
                                 const struct exec_proxy *proxy,
                                 const char *reason)
{
    enum exec_preload preload = exec_preload_find();
    char **program = t->cli->program;
    enum exit_code code;

    if (cli_value(t->cli, "--allow-leaks") == NULL)
        return cli_fail(EXIT_TROUBLE,
                        "no namespaces can be made here: %s. Without them a "
                        "program can go past the network; to run %s so all the "
                        "same, by %s: warren exec --allow-leaks",
                        reason, program[0], exec_preload_name(preload));
    code = carry(t, proxy, NULL);
    if (code != EXIT_DONE)
        return code;
    fprintf(stderr,
            "warren: no namespaces here: %s. %s runs by %s: what it sends "
            "past that is not hidden\n",
            reason, program[0], exec_preload_name(preload));
    exec_preload_run(preload, proxy, program);
    return not_run(program[0]);
}

static enum exit_code run(struct cli_talk *t, uint64_t hops)
{
    struct exec_space space;
    struct exec_proxy proxy;
    struct text why;
    enum exit_code code = open_proxy(t, hops, &proxy);

    if (code != EXIT_DONE)
        return code;
    text_init(&why, WHY_LIMIT);
    if (exec_space_make(&space, &why) == OK)
        code = run_inside(t, &proxy, &space);
    else
        code = run_beside(t, &proxy, text_get(&why));
    text_deinit(&why);
    return code;
}

static enum exit_code exec_program(struct cli *cli)
{
    const char *text = cli_value(cli, "--hops");
    uint64_t hops = HOPS_DEFAULT;
    enum exit_code code;
    struct cli_talk t;

    if (text != NULL && !cli_read_number("--hops", text, 1, HOPS_MAX, &hops))
        return EXIT_USAGE;
    if (exec_space_is_here())
        return cli_fail(EXIT_USAGE,
                        "this is run by 'warren exec' already: %s can be run "
                        "as it is",
                        cli->program[0]);
    code = cli_talk_init(&t, cli, "opening a proxy");
    if (code != EXIT_DONE)
        return code;
    code = run(&t, hops);
    cli_talk_deinit(&t);
    return code;
}

const struct cli_verb cli_exec_verbs[] = {
    {"exec", "PROGRAM ARGS...", 1,
     "run a program with all of its traffic through the network", exec_options,
     true, false, exec_program},
    {0}};
