/* SPDX-License-Identifier: MIT
 *
 * One invocation from its first word to its exit code: finds the verb
 * (verb/verbs.c), reads its arguments (ask/arguments.c) and runs it. Whether
 * what it printed has arrived is main.c's to find out, for all ways out of
 * here. The arrows go one way: this file and
 * cli_help.c know the tables of verbs; the verbs know the arguments, how to say
 * things (show/say.c) and how to talk to the daemon (ask/talk.c), and none of
 * those above.
 */
#include "cli/cli.h"
#include "cli/cli_help.h"
#include "cli/show/say.h"
#include "cli/verb/verbs.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool wants_help(const struct cli *cli)
{
    for (int i = 0; i < cli_own_words(cli); i++) {
        if (cli_help_is_flag(cli->argv[i]))
            return true;
    }
    return false;
}

/* Otherwise the first files and sockets of ours would take the places of those
 * that were closed, and get what is printed. What is opened here cannot be
 * written to, so that lost output is noticed. */
static bool hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd)
            return false;
    }
    return true;
}

static bool wants_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int run_verb(struct cli *cli)
{
    if (wants_help(cli)) {
        cli_help_verb(cli->verb);
        return EXIT_DONE;
    }
    if (!cli->verb->raw && (!cli_parse(cli) || !cli_parse_common(cli)))
        return EXIT_USAGE;
    return (int)cli->verb->run(cli);
}

int cli_main(int argc, char **argv, char **environment)
{
    static char version[] = "version";
    struct cli cli = {.environment = environment};
    int words;

    if (!hold_standard_files())
        return EXIT_TROUBLE;
    say_as_json(wants_json(argc - 1, argv + 1));
    if (sodium_init() < 0)
        return cli_fail(EXIT_TROUBLE, "libsodium does not work here");
    if (argc < 2) {
        cli_help_all(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || cli_help_is_flag(argv[1]))
        return cli_help_words(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        argv[1] = version;
    cli.verb = cli_find_verb(argc - 1, argv + 1, &words);
    if (cli.verb == NULL)
        return cli_help_unknown(argc - 1, argv + 1);
    cli.argc = argc - 1 - words;
    cli.argv = argv + 1 + words;
    say_as_json(wants_json(cli_own_words(&cli), cli.argv));
    return run_verb(&cli);
}
