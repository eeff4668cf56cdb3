/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_lpp_test_unix: for tests: the server also serves a unix socket, run/own.sock
 * in its root, in place of its "Listen" at 127.0.0.2.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <httpd.h>
#include <ap_listen.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <http_config.h>

module AP_MODULE_DECLARE_DATA lpp_test_unix_module;

static int listen_at(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    apr_cpystrn(address.sun_path, path, sizeof(address.sun_path));
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0
        || chmod(path, 0777) != 0 || listen(fd, 128) != 0) {
        return -1;
    }
    return fd;
}

/* The listening sockets are open by now, and no child is made yet. */
static int replace(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                   server_rec *s)
{
    ap_listen_rec *taken = ap_listeners;
    apr_os_sock_t fd;
    char *ip;
    int made;

    while (taken && (apr_sockaddr_ip_get(&ip, taken->bind_addr) != APR_SUCCESS
                     || strcmp(ip, "127.0.0.2"))) {
        taken = taken->next;
    }
    if (!taken || apr_os_sock_get(&fd, taken->sd) != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    made = listen_at(ap_server_root_relative(ptemp, "run/own.sock"));
    if (made < 0 || dup3(made, fd, O_CLOEXEC) != fd) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    close(made);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    ap_hook_post_config(replace, NULL, NULL, APR_HOOK_LAST);
}

AP_DECLARE_MODULE(lpp_test_unix) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
