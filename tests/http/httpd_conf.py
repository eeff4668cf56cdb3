# SPDX-License-Identifier: Apache-2.0
"""What stands in the configuration of a test server: httpd's modules, what they
need, and the limits of each MPM. Knows no server.
"""
import os
import pathlib

MODULES_DIR = os.environ.get('LPP_MODULES_DIR', '/usr/lib/apache2/modules')
MPMS = ('prefork', 'worker', 'event')

BASE_MODULES = ('authz_core', 'authz_host', 'dir', 'mime', 'alias', 'env',
                'setenvif', 'headers')

# What a neighbour of the module needs: modules, configuration. The site's
# files are under ${SITE}; see BASE for what else is defined.
FEATURES = {
    'autoindex': (('autoindex',), 'Options +Indexes\n'),
    # Opens connections that it does not use; a child at its end reads from
    # them until they time out, and is killed by its parent before that.
    'browser': (('reqtimeout',), 'RequestReadTimeout header=2\n'),
    'include': (('include', 'filter'),
                'Options +Includes\nAddType text/html .shtml\n'
                'AddOutputFilter INCLUDES .shtml\n'),
    'lua': (('lua',), 'AddHandler lua-script .lua\n'),
    'cgi': (('cgid',),
            'ScriptSock ${ROOT}/run/cgisock\n'
            'ScriptAlias /cgi/ ${SITE}/cgi/\n'),
    'php': (('fcgid',),
            'FcgidIPCDir ${ROOT}/run/fcgid\n'
            'FcgidProcessTableFile ${ROOT}/run/fcgid_shm\n'
            'Options +ExecCGI\nAddHandler fcgid-script .php\n'
            'FcgidWrapper /usr/bin/php-cgi .php\n'),
    'modphp': (('php',), 'AddHandler application/x-httpd-php .php\n'),
    'proxy': (('proxy', 'proxy_http'), ''),
    'deflate': (('filter', 'deflate'),
                'AddOutputFilterByType DEFLATE text/html text/plain\n'),
    'rewrite': (('rewrite',), ''),
    'status': (('status',),
               '<Location /server-status>\nSetHandler server-status\n'
               '</Location>\n'),
    'info': (('info',), '<Location /server-info>\nSetHandler server-info\n'
                        '</Location>\n'),
    'http2': (('http2',), 'Protocols h2 h2c http/1.1\n'),
    'tls': (('socache_shmcb', 'ssl'),
            'Listen 127.0.0.1:${TLSPORT}\n'
            'SSLSessionCache shmcb:${ROOT}/run/ssl(64000)\n'
            '<VirtualHost 127.0.0.1:${TLSPORT}>\n'
            'ServerName localhost\nSSLEngine on\n'
            'SSLCertificateFile ${ROOT}/cert.pem\n'
            'SSLCertificateKeyFile ${ROOT}/key.pem\n</VirtualHost>\n'),
}

# For the module perl: scripts of ModPerl::Registry.
REGISTRY = '''PerlModule ModPerl::Registry
<Files "*.pl">
    SetHandler perl-script
    PerlResponseHandler ModPerl::Registry
    Options +ExecCGI
</Files>
'''

# Small and quick to start. Whatever a test adds comes later and wins.
MPM_CONFIG = {
    'prefork': 'StartServers 3\nMinSpareServers 1\nMaxSpareServers 8\n'
               'MaxRequestWorkers 16\n',
    'worker': 'StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\n'
              'MaxSpareThreads 32\nMaxRequestWorkers 32\n',
    'event': 'StartServers 2\nThreadsPerChild 8\nMinSpareThreads 8\n'
             'MaxSpareThreads 32\nMaxRequestWorkers 32\n',
}

BASE = '''\
ServerName 127.0.0.1
Listen 127.0.0.1:${PORT}
PidFile ${ROOT}/run/httpd.pid
DefaultRuntimeDir ${ROOT}/run
ErrorLog ${ROOT}/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %b" common
CustomLog ${ROOT}/access.log common
TypesConfig /etc/mime.types
DocumentRoot ${SITE}
Timeout 20
KeepAliveTimeout 3
GracefulShutdownTimeout 5
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory ${SITE}>
    Require all granted
</Directory>
DirectoryIndex index.html
'''


class NotInstalled(Exception):
    """A module that this machine may do without; tests of it are skipped."""


def load_module(name):
    if name == 'php':
        found = sorted(pathlib.Path(MODULES_DIR).glob('libphp*.so'))
        if not found:
            raise NotInstalled('mod_php: see tests/deps.sh')
        path = found[0]
    elif name == 'mpm_itk':  # named like no other
        path = pathlib.Path(MODULES_DIR, 'mpm_itk.so')
        if not path.exists():
            raise NotInstalled('mpm_itk: see tests/deps.sh')
    else:
        path = '%s/mod_%s.so' % (MODULES_DIR, name)
    return 'LoadModule %s_module %s' % (name, path)


def module_names(mpm, features, modules):
    """Names of every module to load, each once, in order."""
    names = ['mpm_' + mpm, *BASE_MODULES]
    for name in features:
        names += _feature(name, mpm)[0]
    return list(dict.fromkeys([*names, *modules]))


def feature_lines(mpm, features):
    """What the features add: their virtual hosts, then their options for
    the site's directory, then the rest."""
    texts = [_feature(name, mpm)[1] for name in features]
    hosts = [text for text in texts if 'VirtualHost' in text]
    lines = [line for text in texts if text not in hosts
             for line in text.splitlines()]
    options = [line for line in lines if line.startswith('Options')]
    return [*hosts, '<Directory ${SITE}>', *options, '</Directory>',
            *[line for line in lines if line not in options]]


def _feature(name, mpm):
    modules, text = FEATURES[name]
    if name == 'cgi' and mpm == 'prefork':
        # Both ways that httpd has to run a CGI are worth a test.
        return ('cgi',), text.replace('ScriptSock', '#ScriptSock')
    return modules, text
