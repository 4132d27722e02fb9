//! In: connection parameters. Out: how sessions are encrypted and what is asked of the server's certificate, by libpq's rules for
//! `sslmode`. The handshake itself is rustls's.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::parameters::{Parameters, home};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// How the sessions of an endpoint are encrypted.
#[derive(Clone)]
pub struct Tls {
    pub mode: Mode,
    pub negotiation: SslNegotiation,
    pub connector: MakeRustlsConnect,
}

type Read<T> = Result<T, String>;

impl Tls {
    pub fn read(parameters: &Parameters) -> Read<Tls> {
        let system = parameters.get("sslrootcert") == Some("system");
        let mode = match parameters.get("sslmode") {
            Some("disable") => Mode::Disable,
            Some("allow") => Mode::Allow,
            Some("prefer") => Mode::Prefer,
            Some("require") => Mode::Require,
            Some("verify-ca") => Mode::VerifyCa,
            Some("verify-full") => Mode::VerifyFull,
            Some(_) => return Err("there is no such sslmode".into()),
            None if system => Mode::VerifyFull,
            None => Mode::Prefer,
        };
        // Anybody may have a certificate of a public authority.
        if system && mode < Mode::VerifyFull {
            return Err("sslrootcert=system proves nothing without sslmode=verify-full".into());
        }
        let negotiation = match parameters.get("sslnegotiation") {
            None | Some("postgres") => SslNegotiation::Postgres,
            Some("direct") if mode >= Mode::Require => SslNegotiation::Direct,
            Some("direct") => {
                return Err("sslnegotiation=direct needs sslmode=require or more".into());
            }
            Some(_) => return Err("there is no such sslnegotiation".into()),
        };
        Ok(Tls {
            mode,
            negotiation,
            connector: MakeRustlsConnect::new(config(parameters, mode)?),
        })
    }

    /// What to try, in this order, at a server that is reached by TCP.
    pub fn attempts(&self) -> &'static [SslMode] {
        match self.mode {
            Mode::Disable => &[SslMode::Disable],
            Mode::Allow => &[SslMode::Disable, SslMode::Require],
            Mode::Prefer => &[SslMode::Prefer, SslMode::Disable],
            _ => &[SslMode::Require],
        }
    }
}

fn config(parameters: &Parameters, mode: Mode) -> Read<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let version = |name, default: usize| match parameters.get(name) {
        None => Ok(default),
        Some("TLSv1.2") => Ok(2),
        Some("TLSv1.3") => Ok(3),
        Some(_) => Err(format!("{name} must be TLSv1.2 or TLSv1.3")),
    };
    let least = version("ssl_min_protocol_version", 2)?;
    let most = version("ssl_max_protocol_version", 3)?;
    let versions: &[&rustls::SupportedProtocolVersion] = match (least, most) {
        (2, 3) => &[&rustls::version::TLS12, &rustls::version::TLS13],
        (2, _) => &[&rustls::version::TLS12],
        (_, 3) => &[&rustls::version::TLS13],
        _ => return Err("ssl_min_protocol_version is above ssl_max_protocol_version".into()),
    };
    let check = Check::read(parameters, mode, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(check));
    let mut config = match own_certificate(parameters, mode)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|e| format!("sslcert and sslkey do not fit: {e}"))?,
        None => builder.with_no_client_auth(),
    };
    config.enable_sni = parameters.get("sslsni") != Some("0");
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

/// The file that a parameter names, or libpq's own for it where that is there.
fn file(parameters: &Parameters, name: &str, own: &str) -> Option<PathBuf> {
    let named = parameters.get(name).map(PathBuf::from);
    named.or_else(|| {
        let file = home()?.join(".postgresql").join(own);
        file.exists().then_some(file)
    })
}

fn certificates(file: &Path) -> Read<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    let certificates: Vec<_> =
        certificates.map_err(|e| format!("reading {}: {e}", file.display()))?;
    match certificates.is_empty() {
        true => Err(format!("{} holds no certificate", file.display())),
        false => Ok(certificates),
    }
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Who we are, where the server asks.
fn own_certificate(parameters: &Parameters, mode: Mode) -> Read<Option<Own>> {
    if mode == Mode::Disable || parameters.get("sslcertmode") == Some("disable") {
        return Ok(None);
    }
    let Some(certificate) = file(parameters, "sslcert", "postgresql.crt") else {
        return match parameters.get("sslcertmode") {
            Some("require") => Err("sslcertmode=require, but there is no sslcert".into()),
            _ => Ok(None),
        };
    };
    let key =
        file(parameters, "sslkey", "postgresql.key").ok_or("there is an sslcert, but no sslkey")?;
    let wrong = |why: &str| format!("the sslkey {}: {why}", key.display());
    let about = std::fs::metadata(&key).map_err(|e| wrong(&e.to_string()))?;
    // libpq's rule: 0600, or 0640 where it is root's.
    let open = if about.uid() == 0 { 0o027 } else { 0o077 };
    if about.permissions().mode() & open != 0 {
        return Err(wrong("others may read it; chmod 0600 mends that"));
    }
    let read = PrivateKeyDer::from_pem_file(&key)
        .map_err(|_| wrong("it holds no private key in PEM that is not encrypted"))?;
    Ok(Some((certificates(&certificate)?, read)))
}

/// What the server's certificate must be.
#[derive(Debug)]
struct Check {
    provider: Arc<CryptoProvider>,
    /// None: it may be any.
    chain: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    /// It must be the host's.
    name: bool,
}

impl Check {
    fn read(parameters: &Parameters, mode: Mode, provider: &Arc<CryptoProvider>) -> Read<Check> {
        let roots = match (mode, parameters.get("sslrootcert")) {
            (Mode::Disable | Mode::Allow | Mode::Prefer, _) => Vec::new(),
            (_, Some("system")) => rustls_native_certs::load_native_certs().certs,
            // libpq's rule too: with a file of roots, require is verify-ca.
            _ => match file(parameters, "sslrootcert", "root.crt") {
                Some(file) => certificates(&file)?,
                None if mode == Mode::Require => Vec::new(),
                None => return Err(
                    "sslmode=verify-ca and verify-full need the authority's certificate: sslrootcert=FILE, or system"
                        .into(),
                ),
            },
        };
        let chain = match roots.is_empty() && mode <= Mode::Require {
            true => None,
            false => Some(chain(parameters, &roots, provider)?),
        };
        Ok(Check {
            provider: provider.clone(),
            chain,
            roots,
            name: mode == Mode::VerifyFull,
        })
    }
}

fn chain(
    parameters: &Parameters,
    roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Read<Arc<WebPkiServerVerifier>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().cloned());
    let mut builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone());
    if let Some(file) = file(parameters, "sslcrl", "root.crl") {
        let revoked = CertificateRevocationListDer::pem_file_iter(&file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let revoked = revoked.map_err(|e| format!("reading {}: {e}", file.display()))?;
        builder = builder.with_crls(revoked);
    }
    builder
        .build()
        .map_err(|e| format!("reading the certificates of sslrootcert: {e}"))
}

impl ServerCertVerifier for Check {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            // The chain is looked at first, so nothing but the name is wrong.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.name => Ok(ServerCertVerified::assertion()),
            // A certificate that is its own authority, as PostgreSQL's manual makes one, and named as a root. Its dates are looked at
            // before.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.0.to_string().contains("CaUsedAsEndEntity")
                    && self.roots.iter().any(|root| root == end_entity) =>
            {
                if self.name {
                    let certificate = ParsedCertificate::try_from(end_entity)?;
                    rustls::client::verify_server_name(&certificate, server_name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
