/* SPDX-License-Identifier: MIT */
#include "cli/exec/exec_preload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define URL_MAX   256
#define PATH_SIZE 4096

extern char **environ;

static const char *const names[] = {[EXEC_TORSOCKS] = "torsocks",
                                    [EXEC_PROXYCHAINS] = "proxychains4",
                                    [EXEC_VARIABLES] = "proxy variables"};

const char *exec_preload_name(enum exec_preload p)
{
    return names[p];
}

static bool is_installed(const char *program)
{
    const char *path = getenv("PATH");
    char at[PATH_SIZE];

    while (path != NULL && *path != '\0') {
        int len = (int)strcspn(path, ":");

        snprintf(at, sizeof(at), "%.*s/%s", len, path, program);
        if (access(at, X_OK) == 0)
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

enum exec_preload exec_preload_find(void)
{
    if (is_installed(names[EXEC_TORSOCKS]))
        return EXEC_TORSOCKS;
    return is_installed(names[EXEC_PROXYCHAINS]) ? EXEC_PROXYCHAINS
                                                 : EXEC_VARIABLES;
}

/* "http_proxy", "ALL_PROXY" and the like. */
static bool is_proxy(const char *variable)
{
    static const char end[] = "_proxy";
    size_t len = strcspn(variable, "=");

    return len >= strlen(end) &&
           strncasecmp(variable + len - strlen(end), end, strlen(end)) == 0;
}

void exec_forget_proxies(void)
{
    for (char **v = environ; v != NULL && *v != NULL;) {
        char name[URL_MAX];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*v, "="), *v);
        if (is_proxy(*v) && unsetenv(name) == 0)
            v = environ; /* which has changed */
        else
            v++;
    }
}

/* ---- torsocks, proxychains4 --------------------------------------------- */

static void run_with(const char *const before[], char **program)
{
    size_t have = 0, count = 0;
    char **words;

    while (before[have] != NULL)
        have++;
    while (program[count] != NULL)
        count++;
    words = calloc(have + count + 1, sizeof(*words));
    if (words == NULL)
        return;
    memcpy(words, before, have * sizeof(*words));
    memcpy(words + have, program, count * sizeof(*words));
    execvp(words[0], words);
    free(words);
}

static void run_torsocks(const struct exec_proxy *proxy, char **program)
{
    char port[8];
    const char *const before[] = {"torsocks", "--address", "127.0.0.1",
                                  "--port",   port,        NULL};

    snprintf(port, sizeof(port), "%u", proxy->at.port);
    /* Not as flags, which others may see. */
    setenv("TORSOCKS_USERNAME", proxy->user, true);
    setenv("TORSOCKS_PASSWORD", proxy->password, true);
    run_with(before, program);
}

/* Its file has no name, and stays open in the program. */
static void run_proxychains(const struct exec_proxy *proxy, char **program)
{
    int fd = memfd_create("proxychains", 0);
    char path[32];
    const char *const before[] = {"proxychains4", "-q", "-f", path, NULL};

    if (fd < 0)
        return;
    dprintf(fd,
            "strict_chain\nproxy_dns\nlocalnet 127.0.0.0/255.0.0.0\n"
            "[ProxyList]\nsocks5 127.0.0.1 %u %s %s\n",
            proxy->at.port, proxy->user, proxy->password);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    run_with(before, program);
}

/* ---- Variables ---------------------------------------------------------- */

/* A program that knows no SOCKS stops at the scheme, which leaks nothing; by
 * https_proxy it may come as HTTP's CONNECT. */
static void run_with_variables(const struct exec_proxy *proxy, char **program)
{
    static const char *const socks[] = {"all_proxy",  "ALL_PROXY", "http_proxy",
                                        "HTTP_PROXY", "ftp_proxy", "FTP_PROXY"};
    char url[URL_MAX];

    snprintf(url, sizeof(url), "socks5h://%s:%s@127.0.0.1:%u", proxy->user,
             proxy->password, proxy->at.port);
    for (size_t i = 0; i < sizeof(socks) / sizeof(socks[0]); i++)
        setenv(socks[i], url, true);
    snprintf(url, sizeof(url), "http://%s:%s@127.0.0.1:%u", proxy->user,
             proxy->password, proxy->at.port);
    setenv("https_proxy", url, true);
    setenv("HTTPS_PROXY", url, true);
    execvp(program[0], program);
}

void exec_preload_run(enum exec_preload p, const struct exec_proxy *proxy,
                      char **program)
{
    exec_forget_proxies();
    switch (p) {
    case EXEC_TORSOCKS:
        run_torsocks(proxy, program);
        break;
    case EXEC_PROXYCHAINS:
        run_proxychains(proxy, program);
        break;
    case EXEC_VARIABLES:
        run_with_variables(proxy, program);
        break;
    }
}
