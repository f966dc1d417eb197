package formats

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"

	"howett.net/plist"

	"postern/client/profile"
)

// exportMobileconfig writes a profile for Apple's devices. Who imports it again gets the
// same payloads, since their UUIDs follow from the profile's name.
func exportMobileconfig(p *profile.Profile, secrets bool) ([]byte, []Note, error) {
	if p.Auth != profile.AuthPSK && p.Auth != profile.AuthHybrid && p.Auth != profile.AuthRSA {
		return nil, nil, errors.New("the methods psk, hybrid and rsa are all that Apple's clients know")
	}
	ipsec := map[string]any{"RemoteAddress": p.Gateway.Host, "AuthenticationMethod": "SharedSecret", "XAuthEnabled": 0}
	payloads := []map[string]any{}
	switch p.Auth {
	case profile.AuthRSA:
		ipsec["AuthenticationMethod"] = "Certificate"
		if len(p.Files.Certificate) > 0 && secrets {
			c := payload("com.apple.security.pkcs12", p.Name, "certificate")
			c["PayloadContent"] = []byte(p.Files.Certificate)
			c["PayloadCertificateFileName"] = base(p.Certificate)
			if p.KeyPassphrase != nil {
				c["Password"] = string(p.KeyPassphrase)
			}
			ipsec["PayloadCertificateUUID"] = c["PayloadUUID"]
			payloads = append(payloads, c)
		}
	default:
		if p.Identity != "" {
			ipsec["LocalIdentifier"] = p.Identity + map[bool]string{true: "[hybrid]"}[p.Auth == profile.AuthHybrid]
			ipsec["LocalIdentifierType"] = "KeyID"
		} else if p.Auth == profile.AuthHybrid {
			ipsec["LocalIdentifier"] = "[hybrid]"
		}
		if secrets && len(p.Secret) > 0 && p.Auth == profile.AuthPSK {
			ipsec["SharedSecret"] = []byte(p.Secret)
		}
	}
	if len(p.Files.CA) > 0 {
		c := payload("com.apple.security.pem", p.Name, "authority")
		c["PayloadContent"] = p.Files.CA
		payloads = append(payloads, c)
	}
	writeXAuth(ipsec, p, secrets)
	vpn := payload("com.apple.vpn.managed", p.Name, "vpn")
	vpn["UserDefinedName"] = p.Name
	vpn["VPNType"] = "IPSec"
	vpn["IPSec"] = ipsec
	vpn["IPv4"] = map[string]any{"OverridePrimary": map[bool]int{true: 1}[p.DefaultRoute]}
	if dns := exportedDNS(p); len(dns) > 0 {
		vpn["DNS"] = dns
	}
	root := payload("Configuration", p.Name, "profile")
	root["PayloadRemovalDisallowed"] = false
	root["PayloadContent"] = append(payloads, vpn)
	data, err := plist.MarshalIndent(root, plist.XMLFormat, "\t")
	if err != nil {
		return nil, nil, errors.New("the profile has a text that a property list can't hold")
	}
	return data, nil, nil
}

func writeXAuth(ipsec map[string]any, p *profile.Profile, secrets bool) {
	if p.XAuth == profile.XAuthOff {
		return
	}
	ipsec["XAuthEnabled"] = 1
	if p.User != "" {
		ipsec["XAuthName"] = p.User
	}
	if secrets && len(p.Password) > 0 {
		ipsec["XAuthPassword"] = string(p.Password)
	} else {
		ipsec["XAuthPasswordEncryption"] = "Prompt"
	}
}

func exportedDNS(p *profile.Profile) map[string]any {
	dns := map[string]any{}
	var servers []string
	for _, s := range p.DNSServers {
		servers = append(servers, s.String())
	}
	if len(servers) > 0 {
		dns["ServerAddresses"] = servers
	}
	if len(p.Search) > 0 {
		dns["SearchDomains"] = p.Search
	}
	return dns
}

// payload begins a payload. Its UUID follows from the profile's name and the part
// (RFC 9562, section 5.5: version 5, without a registered name space).
func payload(kind, name, part string) map[string]any {
	sum := sha1.Sum([]byte("postern\x00" + name + "\x00" + part))
	sum[6], sum[8] = sum[6]&0x0f|0x50, sum[8]&0x3f|0x80
	digits := strings.ToUpper(hex.EncodeToString(sum[:16]))
	uuid := digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
	return map[string]any{
		"PayloadType": kind, "PayloadVersion": 1, "PayloadUUID": uuid, "PayloadDisplayName": name,
		"PayloadIdentifier": "postern." + part + "." + uuid,
	}
}
